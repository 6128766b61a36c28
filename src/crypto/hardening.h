// What the process does for its secrets before it holds any (RULES K9).
#pragma once

#include "base/result.h"

namespace latchkey::crypto {

// Once, at the start of main, before a thread exists: makes libsodium ready (its fastest implementations), switches core
// dumps off (RLIMIT_CORE 0), makes the process undumpable (no ptrace, no /proc/PID/environ for other processes of the
// same user), and raises the soft limit on locked memory to the hard one.
// Errors: misconfigured/`hardening_failed`, naming the step.
[[nodiscard]] Result<void> harden_process();

}  // namespace latchkey::crypto
