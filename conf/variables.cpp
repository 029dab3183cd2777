#include "conf/variables.h"

#include <algorithm>
#include <iterator>

#include "conf/foreign_names.h"
#include "conf/nearest.h"

namespace reeve::conf {

namespace {

constexpr std::size_t kDeepest = 64;  // variables that need variables that need …

struct Builtin {
    std::string_view theirs;  // folded()
    std::string_view ours;
};
constexpr Builtin kBuiltins[] = {
    {"app", "program"},
    {"appname", "program"},
    {"name", "program"},
    {"processname", "program"},
    {"program", "program"},
    {"programname", "program"},
    {"service", "program"},
    {"servicename", "program"},
    {"instance", "instance"},
    {"instanceid", "instance"},
    {"instancenum", "instance"},
    {"instancenumber", "instance"},
    {"nodeappinstance", "instance"},
    {"number", "instance"},
    {"processnum", "instance"},
    {"configdir", "config_dir"},
    {"confdir", "config_dir"},
    {"here", "config_dir"},
    {"configdirectory", "config_dir"},
};

}  // namespace

std::string_view builtin_meant_by(std::string_view name) {
    const auto* const found = std::ranges::find(kBuiltins, folded(name), &Builtin::theirs);
    return found == std::end(kBuiltins) ? std::string_view{} : found->ours;
}

Variables::Variables(const std::vector<const Value*>& layers, const EnvironmentMap& own,
                     const std::vector<std::string>& directories, std::string program, int instance)
    : own_{own}, directories_{directories}, program_{std::move(program)}, instance_{instance} {
    for (const Value* table : layers) {
        Layer& layer = layers_.emplace_back();
        for (const Value::Entry& entry : table->entries) {
            if (entry.value.is(Value::Type::string)) layer.emplace(entry.key, &entry.value);
        }
    }
}

Expected<std::string, std::string> Variables::expand(std::string_view text, std::uint32_t file) {
    return conf::expand(
        text, [&](std::string_view name) { return look_up(name, file, {}, 0); },
        [this](std::string_view name) { return suggest(name); });
}

std::string Variables::suggest(std::string_view name) const {
    if (const auto builtin = builtin_meant_by(name); !builtin.empty()) return std::string{builtin};
    Nearest nearest{name};
    for (const std::string_view builtin : {"program", "instance", "config_dir"})
        nearest.offer(builtin);
    for (const Layer& layer : layers_) {
        for (const auto& [other, value] : layer) nearest.offer(other);
    }
    for (const auto& [other, value] : own_) nearest.offer(other);
    return nearest.found().value_or("");
}

std::map<std::string, std::string> Variables::environment(std::vector<Failure>& failures) {
    std::map<std::string, std::string> all;
    for (const Layer& layer : layers_) {
        for (const auto& [name, written] : layer) {
            if (all.contains(std::string{name})) continue;
            if (auto value = resolve(name, 0); value && *value) {
                all.emplace(name, std::move(**value));
            }
        }
    }
    failures = failures_;
    return all;
}

// `self` is the variable whose value, in the layer just above `below`, is being expanded.
Variables::Result Variables::look_up(std::string_view name, std::uint32_t file,
                                     std::string_view self, std::size_t below) {
    if (name == "program") return program_;
    if (name == "instance") return std::to_string(instance_);
    if (name == "config_dir") return directories_.at(file);
    return resolve(name, name == self ? below : 0);
}

Variables::Result Variables::resolve(std::string_view name, std::size_t from) {
    for (std::size_t layer = from; layer < layers_.size(); ++layer) {
        const auto written = layers_[layer].find(name);
        if (written == layers_[layer].end()) continue;
        const Value& value_written = *written->second;

        const Slot slot{std::string{name}, layer};
        if (const auto known = known_.find(slot); known != known_.end()) return known->second;

        // The same name twice is a cycle, unless it is in a row: PATH = "…${PATH}".
        const auto first = std::find(open_.begin(), open_.end(), name);
        const bool cycle = std::any_of(first, open_.end(),
                                       [&](const std::string& other) { return other != name; });
        if (cycle) {
            std::string chain;
            for (auto link = first; link != open_.end(); ++link) chain += *link + " -> ";
            return Unexpected<std::string>{"variables need each other: " + chain +
                                           std::string{name} +
                                           " (give one of them a value of its own)"};
        }
        if (open_.size() >= kDeepest) {
            return Unexpected<std::string>{"${" + std::string{name} +
                                           "} is nested more than 64 variables deep (give one of "
                                           "them a value of its own)"};
        }

        open_.emplace_back(name);
        const std::uint32_t file = value_written.place.file;
        auto value = conf::expand(
            value_written.text,
            [&](std::string_view other) { return look_up(other, file, name, layer + 1); },
            [&](std::string_view other) {
                // Itself below this layer, where it is not set, is no suggestion.
                std::string meant = suggest(other);
                return meant == other ? std::string{} : meant;
            });
        open_.pop_back();

        if (!value) {
            // Said once, where it was written; whoever needs the variable gets on without.
            failures_.push_back({value_written.place,
                                 "\"environment." + std::string{name} + "\": " + value.error()});
            value = std::string{};
        }
        known_.emplace(slot, *value);
        return *value;
    }

    const auto own = own_.find(name);
    if (own == own_.end()) return std::nullopt;
    return own->second;
}

}  // namespace reeve::conf
