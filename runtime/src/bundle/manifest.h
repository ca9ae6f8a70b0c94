// Parts of the manifest that manifest.cpp hands out (leaf_edge/bundle/parse.py, parse_added.py).
#pragma once

#include <string_view>

#include "bundle/bundle.h"
#include "bundle/fields.h"
#include "bundle/signature.h"

namespace leaf {

// Position of the listed file `name`; bundle.files.size() where there is none.
size_t find_file(const Bundle& bundle, std::string_view name);

// The object's field `file`: a plain path that the manifest lists.
std::string_view parse_listed(Fields* fields, const Bundle& bundle);

// One golden frame. `scored_alike` becomes false where its scores are not of the encodings, each
// and no other.
void parse_golden(Fields fields, Bundle* bundle, bool* scored_alike);

void parse_acceptance(Fields* top, int schema, Bundle* bundle);
void parse_engines(Fields* top, int schema, Bundle* bundle);

// Refuses (SIGNATURE_INVALID) a signed `text` that does not end as leaf-edge writes it.
void parse_signature(Fields* top, int schema, std::string_view text, Signature* signature);

}  // namespace leaf
