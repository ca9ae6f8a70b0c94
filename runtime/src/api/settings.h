// Settings and inputs as they come from the caller.
#pragma once

#include "leaf_edge/leaf.h"

namespace leaf {

// The caller's settings, of its version of the struct, as this library's. NULL gives the defaults.
// 0, or -EINVAL or -ENOTSUP with the message kept: each field is checked.
int take_settings(const leaf_settings* from, leaf_settings* settings);

// 0 where the input can be scored by an engine that takes frames or does not, else -EINVAL or
// -ENOTSUP with the message kept. Planes count where `planes`.
int check_input(const leaf_input& input, int index, bool planes, int engine, bool takes_frames);

}  // namespace leaf
