#include "doctor/drop_folder_check.h"

namespace latchkey::doctor {
namespace {

Finding judge(std::string path, const DropFolderLook& look, std::string_view ours) {
  Finding finding{.check = {}, .subject = std::move(path), .seen = std::string(ours), .remedy = {}, .handovers = {}};
  if (look.problem.empty()) return finding;
  finding.severity = Severity::error;
  finding.seen = look.problem;
  finding.remedy = "Nothing is taken from there until then. docs/folder.md says how the directories are made.";
  return finding;
}

Task<std::vector<Finding>> examine(std::string root, DropFolderLooker looker, store::Store* store, Worker* worker) {
  std::vector<Finding> out;
  const auto of_root = co_await worker->run([looker] { return looker(std::nullopt); });
  out.push_back(judge(root, of_root, "Its owner and its mode let nobody else decide what is delivered."));
  const auto connectors = co_await store->connectors();
  if (!of_root.problem.empty() || !connectors) co_return out;
  for (const auto& connector : *connectors) {
    const auto look = co_await worker->run([looker, id = connector.id] { return looker(id); });
    if (!look.there) continue;
    auto finding = judge(root + "/" + connector.id, look, "Files are taken from there.");
    const bool alone = connector.enabled && !connector.delegation.id.none();
    if (look.problem.empty() && !alone) {
      finding.severity = Severity::warning;
      finding.seen = "Files that come in there wait: the connector is switched off, or opens no account by itself.";
      finding.remedy = "Give the owner's PIN in the connector's dialog, or remove the directory.";
    }
    out.push_back(std::move(finding));
  }
  co_return out;
}

}  // namespace

std::vector<Errand> DropFolderCheck::errands(const Survey&) {
  std::vector<Errand> out;
  if (!premises_.drop_root.empty())
    out.push_back({premises_.drop_root, examine(premises_.drop_root, looker_, &store_, &worker_)});
  return out;
}

}  // namespace latchkey::doctor
