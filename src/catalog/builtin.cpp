#include "catalog/builtin.h"

#include <array>

namespace latchkey::catalog {
namespace {

constexpr unsigned char kMicrosoft[] = {
#embed "../../providers/microsoft.json"
};
constexpr unsigned char kGoogle[] = {
#embed "../../providers/google.json"
};
constexpr unsigned char kBox[] = {
#embed "../../providers/box.json"
};
constexpr unsigned char kDropbox[] = {
#embed "../../providers/dropbox.json"
};
constexpr unsigned char kExact[] = {
#embed "../../providers/exact.json"
};
constexpr unsigned char kImanage[] = {
#embed "../../providers/imanage.json"
};
constexpr unsigned char kLeap[] = {
#embed "../../providers/leap.json"
};
constexpr unsigned char kPropertyme[] = {
#embed "../../providers/propertyme.json"
};
constexpr unsigned char kSage200[] = {
#embed "../../providers/sage200.json"
};
constexpr unsigned char kSalesforce[] = {
#embed "../../providers/salesforce.json"
};
constexpr unsigned char kSharefile[] = {
#embed "../../providers/sharefile.json"
};
constexpr unsigned char kXero[] = {
#embed "../../providers/xero.json"
};
constexpr unsigned char kXplan[] = {
#embed "../../providers/xplan.json"
};
constexpr unsigned char kNextcloud[] = {
#embed "../../providers/nextcloud.json"
};
constexpr unsigned char kOidc[] = {
#embed "../../providers/oidc.json"
};
constexpr unsigned char kSandbox[] = {
#embed "../../providers/sandbox.json"
};

template <std::size_t size>
std::string_view text_of(const unsigned char (&octets)[size]) {
  return {reinterpret_cast<const char*>(octets), size};
}

}  // namespace

std::span<const BuiltinFile> builtin_files() {
  static const std::array kFiles = {
      BuiltinFile{"microsoft.json", text_of(kMicrosoft)},
      BuiltinFile{"google.json", text_of(kGoogle)},
      BuiltinFile{"box.json", text_of(kBox)},
      BuiltinFile{"dropbox.json", text_of(kDropbox)},
      BuiltinFile{"exact.json", text_of(kExact)},
      BuiltinFile{"imanage.json", text_of(kImanage)},
      BuiltinFile{"leap.json", text_of(kLeap)},
      BuiltinFile{"propertyme.json", text_of(kPropertyme)},
      BuiltinFile{"sage200.json", text_of(kSage200)},
      BuiltinFile{"salesforce.json", text_of(kSalesforce)},
      BuiltinFile{"sharefile.json", text_of(kSharefile)},
      BuiltinFile{"xero.json", text_of(kXero)},
      BuiltinFile{"xplan.json", text_of(kXplan)},
      BuiltinFile{"nextcloud.json", text_of(kNextcloud)},
      BuiltinFile{"oidc.json", text_of(kOidc)},
  };
  return kFiles;
}

BuiltinFile sandbox_file() { return {"sandbox.json", text_of(kSandbox)}; }

}  // namespace latchkey::catalog
