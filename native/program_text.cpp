#include "program_text.h"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "error.h"
#include "json.h"

namespace flotilla {

namespace {

using json::Value;

DType readDType(const Value& value) {
  static const std::map<std::string, DType> names = {{"f64", DType::f64}, {"f32", DType::f32}, {"bf16", DType::bf16}, {"f16", DType::f16},
                                                     {"i64", DType::i64}, {"i32", DType::i32}, {"bool", DType::u8}};
  const auto found = names.find(value.asString("dtype"));
  if (found == names.end()) throw std::invalid_argument("dtype '" + value.string + "' is unknown");
  return found->second;
}

View readView(const Value& value) {
  return {value.at("offset").asInteger("offset"), readDType(value.at("dtype")), value.at("sizes").asIntegers("sizes"),
          value.at("strides").asIntegers("strides")};
}

// JSON has no infinities, which reductions by max start from: they are written as words.
double readNumber(const Value& value, const std::string& what) {
  if (value.kind != Value::Kind::string) return value.asNumber(what);
  if (value.string == "Infinity") return std::numeric_limits<double>::infinity();
  if (value.string == "-Infinity") return -std::numeric_limits<double>::infinity();
  if (value.string == "NaN") return std::numeric_limits<double>::quiet_NaN();
  throw std::invalid_argument("'" + what + "' is not a number");
}

void readKernel(const Value& value, LaunchText& launch) {
  launch.name = value.at("kernel").asString("kernel");
  for (const Value& operand : value.at("operands").asArray("operands")) launch.views.push_back(readView(operand));
  const int64_t reads = value.at("reads").asInteger("reads");
  if (reads < 0 || static_cast<size_t>(reads) > launch.views.size()) throw std::invalid_argument("reads is not a number of operands");
  launch.reads = reads;
  if (const Value* scratch = value.find("scratch"))
    launch.scratch = Bytes{scratch->at("offset").asInteger("scratch.offset"), scratch->at("bytes").asInteger("scratch.bytes")};
  for (const auto& [name, number] : value.at("attributes").members) {
    std::vector<double>& list = launch.numbers[name];
    if (number.kind == Value::Kind::array)
      for (const Value& item : number.items) list.push_back(readNumber(item, name));
    else
      list.push_back(readNumber(number, name));
  }
}

void readCollective(const Value& value, LaunchText& launch) {
  launch.name = value.at("collective").asString("collective");
  launch.group = static_cast<int>(value.at("group").asInteger("group"));
  if (const Value* reduction = value.find("reduction")) {
    const std::string& name = reduction->asString("reduction");
    if (name != "sum" && name != "max") throw std::invalid_argument("reduction '" + name + "' is unknown");
    launch.reduction = name == "sum" ? Reduction::sum : Reduction::max;
  }
  launch.views = {readView(value.at("input")), readView(value.at("output"))};
  if (const Value* scratch = value.find("scratch"))
    launch.scratch = Bytes{scratch->at("offset").asInteger("scratch.offset"), scratch->at("bytes").asInteger("scratch.bytes")};
  if (const Value* counts = value.find("inputCounts")) launch.inputCounts = counts->asIntegers("inputCounts");
  if (const Value* counts = value.find("outputCounts")) launch.outputCounts = counts->asIntegers("outputCounts");
  if (const Value* root = value.find("root")) launch.root = static_cast<int>(root->asInteger("root"));
  if (const Value* peers = value.find("peers")) {
    if (const Value* to = peers->find("to")) launch.to = static_cast<int>(to->asInteger("peers.to"));
    if (const Value* from = peers->find("from")) launch.from = static_cast<int>(from->asInteger("peers.from"));
  }
  launch.event = value.at("event").asInteger("event");
}

LaunchText readLaunch(const Value& value) {
  LaunchText launch;
  if (const Value* at = value.find("at")) launch.at = at->asString("at");
  const std::string& kind = value.at("kind").asString("kind");
  if (kind == "kernel") {
    launch.kind = LaunchText::Kind::kernel;
    readKernel(value, launch);
  } else if (kind == "collective") {
    launch.kind = LaunchText::Kind::collective;
    readCollective(value, launch);
  } else if (kind == "send" || kind == "recv") {
    launch.kind = kind == "send" ? LaunchText::Kind::send : LaunchText::Kind::recv;
    launch.name = kind;
    launch.peer = static_cast<int>(value.at("peer").asInteger("peer"));
    if (const Value* lane = value.find("lane")) launch.lane = static_cast<int>(lane->asInteger("lane"));
    launch.tag = static_cast<int>(value.at("tag").asInteger("tag"));
    launch.views = {readView(value.at("view"))};
    launch.event = value.at("event").asInteger("event");
  } else if (kind == "copy") {
    launch.kind = LaunchText::Kind::copy;
    launch.name = "copy";
    launch.views = {readView(value.at("from")), readView(value.at("to"))};
    launch.reads = 1;
  } else if (kind == "signal" || kind == "wait") {
    launch.kind = kind == "signal" ? LaunchText::Kind::signal : LaunchText::Kind::wait;
    launch.name = kind;
    launch.event = value.at("event").asInteger("event");
  } else {
    throw std::invalid_argument("kind '" + kind + "' is unknown");
  }
  return launch;
}

}  // namespace

int64_t View::elements() const {
  int64_t count = 1;
  for (const int64_t size : sizes) count *= size;
  return count;
}

ProgramText parseProgram(std::string_view text) {
  ProgramText program;
  size_t index = 0;
  std::string at;
  try {
    const Value root = json::parse(text);
    for (const Value& group : root.at("groups").asArray("groups")) {
      GroupText read{static_cast<int>(group.at("id").asInteger("id")), {}};
      for (const int64_t rank : group.at("ranks").asIntegers("ranks")) read.ranks.push_back(static_cast<int>(rank));
      program.groups.push_back(std::move(read));
    }
    const std::vector<Value>& launches = root.at("launches").asArray("launches");
    program.launches.reserve(launches.size());
    for (; index < launches.size(); index++) {
      const Value* place = launches[index].find("at");
      at = place && place->kind == Value::Kind::string ? place->string : "";
      program.launches.push_back(readLaunch(launches[index]));
    }
  } catch (const std::invalid_argument& error) {
    throw EngineError("program-invalid", "launch " + std::to_string(index) + ": " + error.what(), "", at);
  }
  return program;
}

}  // namespace flotilla
