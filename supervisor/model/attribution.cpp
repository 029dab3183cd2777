#include "supervisor/model/attribution.h"

namespace reeve::model {

namespace {

constexpr int kNestedBits = 21;
constexpr int kRunBits = 21;
constexpr int kReeveBits = 14;
// 'R', and the top bit clear: RLIM_INFINITY and small limits that people set are none of ours.
constexpr std::uint64_t kMagic = std::uint64_t{0x52} << (kReeveBits + kRunBits + kNestedBits);

constexpr std::uint64_t low_bits(int count) {
    return (std::uint64_t{1} << count) - 1;
}

constexpr std::uint64_t kMagicMask = ~low_bits(kReeveBits + kRunBits + kNestedBits);

}  // namespace

TagSpace::TagSpace(std::uint64_t found, std::uint64_t random) {
    if ((found & kMagicMask) == kMagic) {
        nested_ = true;
        usable_ = (found & low_bits(kNestedBits)) == low_bits(kNestedBits);
        base_ = found & ~low_bits(kNestedBits);
        return;
    }
    // The top of our range must be below what was found, or it could not be set.
    usable_ = found > (kMagic | ~kMagicMask);
    base_ = kMagic | ((random & low_bits(kReeveBits)) << (kRunBits + kNestedBits));
}

std::uint64_t TagSpace::slot_of_run(RunId run) const {
    // All bits set is the number that the outer reeve gave: it stays free, so that a process of
    // ours is told from ourselves.
    return run % slots();
}

std::uint64_t TagSpace::slots() const {
    return low_bits(nested_ ? kNestedBits : kRunBits);
}

std::optional<Tag> TagSpace::tag_of(RunId run) const {
    if (!usable_) return std::nullopt;
    const std::uint64_t slot = slot_of_run(run);
    if (nested_) return base_ | slot;
    return base_ | (slot << kNestedBits) | low_bits(kNestedBits);
}

std::optional<std::uint64_t> TagSpace::slot_of(Tag tag) const {
    if (!usable_) return std::nullopt;
    if (nested_) {
        const std::uint64_t slot = tag & low_bits(kNestedBits);
        if ((tag & ~low_bits(kNestedBits)) != base_ || slot == low_bits(kNestedBits)) {
            return std::nullopt;
        }
        return slot;
    }
    const std::uint64_t mask = low_bits(kRunBits + kNestedBits);
    if ((tag & ~mask) != base_) return std::nullopt;
    return (tag & mask) >> kNestedBits;
}

std::optional<RunId> attribute(const ProcessFacts& facts, const TagSpace& tags,
                               const RunIndex& runs) {
    const auto old_enough = [&](std::optional<RunId> run) {
        if (!run) return false;
        const std::uint64_t began = runs.started_ticks(*run);
        return began == 0 || facts.start_ticks == 0 || facts.start_ticks >= began;
    };

    // 0: not known, or led by somebody outside our PID namespace.  What it leads itself says
    // nothing about where it comes from: it may have the number that a main process had before.
    const auto led_by = [&](pid_t leader) {
        return leader == 0 || leader == facts.pid ? std::nullopt : runs.by_main_pid(leader);
    };

    if (facts.tag) {
        if (const auto slot = tags.slot_of(*facts.tag)) {
            if (const auto run = runs.by_slot(*slot); old_enough(run)) return run;
        }
    }
    if (!facts.leaf.empty()) {
        if (const auto run = runs.by_leaf(facts.leaf)) return run;
    }
    if (facts.recorded_run) return facts.recorded_run;
    if (facts.parent_run) return facts.parent_run;
    if (const auto run = led_by(facts.session); old_enough(run)) return run;
    if (const auto run = led_by(facts.group); old_enough(run)) return run;
    if (!facts.invocation_id.empty()) {
        if (const auto run = runs.by_invocation_id(facts.invocation_id); old_enough(run))
            return run;
    }
    return std::nullopt;
}

}  // namespace reeve::model
