#include "crypto/hardening.h"

#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>

namespace latchkey::crypto {
namespace {

std::unexpected<Error> failed(std::string step) {
  return fail(ErrorKind::misconfigured, "hardening_failed", "The process cannot be protected: " + step + ".",
              {.detail = std::strerror(errno)});
}

}  // namespace

Result<void> harden_process() {
  if (sodium_init() < 0) return failed("the cryptographic library does not start");
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) return failed("core dumps cannot be switched off");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed("it cannot be made undumpable");
  rlimit locked{};
  if (getrlimit(RLIMIT_MEMLOCK, &locked) == 0 && locked.rlim_cur < locked.rlim_max) {
    locked.rlim_cur = locked.rlim_max;
    setrlimit(RLIMIT_MEMLOCK, &locked);  // best effort: the lower limit only makes the locked cache smaller
  }
  return {};
}

}  // namespace latchkey::crypto
