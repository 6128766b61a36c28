// What the schema of provider files cannot say: agreement between members, and the rules about where secrets go.
#pragma once

#include "catalog/file_reader.h"
#include "catalog/provider_file.h"

namespace latchkey::catalog {

// nullptr: empty, or not a regular expression.
[[nodiscard]] std::shared_ptr<const CompiledPattern> compile_pattern(const std::string& pattern);

void check_parameter(ObjectReader& reader, const Parameter& parameter);

// Everything that needs the whole file; faults go to the sink.
void check_file(FaultSink& sink, const ProviderFile& file);

}  // namespace latchkey::catalog
