#pragma once

#include <tl/expected.hpp>

namespace reeve {

// A value or the reason why there is none.  The alias is the one place to change when the toolchain
// brings std::expected.
template <typename T, typename E>
using Expected = tl::expected<T, E>;

template <typename E>
using Unexpected = tl::unexpected<E>;

}  // namespace reeve
