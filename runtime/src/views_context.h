// The views' context as the library itself uses it: memory of the caller's, tables made ahead.
#pragma once

#include <cstddef>
#include <memory_resource>

#include "leaf_edge/views.h"

namespace leaf {

// As leaf_views_open, with all memory of the context from `memory`.
int open_views(leaf_views** views, int isa, std::pmr::memory_resource* memory);

// The instruction set that LEAF_ISA_AUTO stands for; any other code as it is.
int resolve_isa(int isa);

// Whether the tables are those of this frame's geometry.
bool views_match(const leaf_views& views, const leaf_frame& frame);

// Makes the tables for the geometry of a checked frame, whose planes are not looked at. 0 or
// -ENOMEM, with the message in leaf_views_message.
int prepare_views(leaf_views& views, const leaf_frame& frame);

// 0 where the description of a frame is right, else -EINVAL with the reason in `message` (`size`
// bytes with the final 0). Planes and pitches count where `planes`.
int check_frame(const leaf_frame& frame, bool planes, char* message, size_t size);

}  // namespace leaf
