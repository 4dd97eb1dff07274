/** Plain gradient descent: what a gradient lacks, or counts twice, shows in the new parameter as it is. */
import { GraphBuilder } from '../../src/ir/builder.js';
import type { DType } from '../../src/ir/dtype.js';
import { parameterRole } from '../../src/ir/role.js';
import { ops } from '../../src/ops/index.js';
import { gradientInput, type UpdateRecipe } from '../../src/optim/update.js';

/** parameter − rate · gradient / tokens; gives the summed loss too. */
export const descent =
  (dtype: DType, rate = 10): UpdateRecipe =>
  (parameters) => {
    const builder = new GraphBuilder(ops, 'descent');
    const scalar = { dtype, dims: [] };
    builder.at({ phase: 'update', segment: 'optimizer' }, () => {
      const tokens = builder.input('tokens', 'value', scalar);
      builder.output('loss_sum', builder.input('loss_sum', 'value', scalar));
      for (const parameter of parameters) {
        const weight = builder.input(parameter.name, 'parameter', parameter.type);
        const gradient = gradientInput(builder, parameter);
        builder.within(parameter.name, () => {
          builder.output(parameterRole(parameter.name), weight.sub(gradient.mul(rate).div(tokens)));
        });
      }
    });
    return builder.build();
  };
