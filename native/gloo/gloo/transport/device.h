// Stands in for Gloo's header of this name: see gloo/README.md.
#pragma once

#include <gloo/context.h>
