// RULES G5 and D9 against the file system itself.
#include "doors/folder/drop_box.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "doors/folder/drop_root.h"
#include "store/store_testing.h"

namespace latchkey::doors {
namespace {

namespace fs = std::filesystem;

const std::string kToken(32, 'a');
constexpr Milliseconds kLong{3'600'000};

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class ADropBox : public ::testing::Test {
 protected:
  ADropBox() {
    fs::create_directories(root() + "/scans");
    fs::permissions(root(), fs::perms(0755));
    fs::create_directories(directory_.path() + "/data");
  }

  [[nodiscard]] std::string root() const { return directory_.path() + "/drop"; }
  [[nodiscard]] std::string in(const std::string& name) const { return root() + "/scans/" + name; }
  void put(const std::string& name, const std::string& text) const { std::ofstream(in(name), std::ios::binary) << text; }
  [[nodiscard]] Result<std::unique_ptr<DropRoot>> open(std::vector<std::string> owners) const {
    return DropRoot::open({.root = root(), .owners = std::move(owners), .data = directory_.path() + "/data"});
  }
  [[nodiscard]] Result<std::unique_ptr<DropRoot>> open() const { return open({std::to_string(::geteuid())}); }
  [[nodiscard]] std::shared_ptr<DropBox> box() {
    auto opened = open();
    EXPECT_TRUE(opened) << opened.error().text;
    root_ = std::move(*opened);
    auto found = root_->box("scans");
    EXPECT_TRUE(found) << found.error().text;
    return *found;
  }
  [[nodiscard]] static DropEntry entry_of(const DropBox& box, const std::string& name) {
    for (const auto& entry : *box.entries()) {
      if (entry.name == name) return entry;
    }
    return {.name = name, .stamp = {}};
  }
  // What becomes of a file that has lain there for long.
  [[nodiscard]] std::string outcome(const std::string& name) {
    const auto the_box = box();
    const auto taken = the_box->take(entry_of(*the_box, name), kLong, {}, kToken);
    return taken ? "taken" : taken.error().reason;
  }

  store::TemporaryDirectory directory_;
  std::unique_ptr<DropRoot> root_;
};

TEST_F(ADropBox, TakesAFileWithWhateverNameAndGivesItsOctets) {
  const std::string name = "Über sicht \xe4 #1.pdf.1";
  put(name, "hello");
  const auto the_box = box();
  auto file = the_box->take(entry_of(*the_box, name), kLong, {}, kToken);
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ((*file)->name(), name);
  EXPECT_FALSE(fs::exists(in(name))) << "out of its sender's reach";
  EXPECT_EQ(base::as_text((*file)->read(3).value()), "hel");
  EXPECT_EQ(base::as_text((*file)->read(100).value()), "lo");
  EXPECT_TRUE((*file)->read(100)->empty());
  ASSERT_EQ(the_box->taken()->size(), 1U);
  EXPECT_EQ(the_box->taken()->front().token, kToken);
  EXPECT_EQ(the_box->taken()->front().stamp, (*file)->stamp());
  EXPECT_TRUE(the_box->remove(**file));
  EXPECT_TRUE(the_box->taken()->empty());
}

TEST_F(ADropBox, FindsWhatAProcessLeftBehindUnderTheSameToken) {
  put("scan.pdf", "hello");
  {
    const auto the_box = box();
    ASSERT_TRUE(the_box->take(entry_of(*the_box, "scan.pdf"), kLong, {}, kToken));
  }
  const auto again = box();
  auto file = again->take_up(kToken);
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ((*file)->name(), "scan.pdf");
  EXPECT_EQ((*file)->token(), kToken);
  EXPECT_EQ(again->take_up(std::string(32, 'b')).error().reason, "gone");
}

// One that was written to while it was read, or that a process left: its sender may not be done yet.
TEST_F(ADropBox, D9_WhatIsTakenUpIsAskedAgainWhetherItsSenderIsDone) {
  put("scan.pdf", "%PDF-1.7\nhalf a docu");
  const auto the_box = box();
  DropPatience any_end;
  any_end.check_endings = false;
  ASSERT_TRUE(the_box->take(entry_of(*the_box, "scan.pdf"), kLong, any_end, kToken));
  const auto done = [&](Milliseconds unchanged_for, const DropPatience& patience) -> std::string {
    const auto file = the_box->take_up(kToken);
    if (!file) return file.error().reason;
    const auto answer = the_box->check_done(**file, unchanged_for, patience);
    return answer ? "done" : answer.error().reason;
  };
  EXPECT_EQ(done(Milliseconds(1'999), any_end), "being_written") << "not quiet for long enough";
  EXPECT_EQ(done(kLong, any_end), "done");
  {
    const std::ofstream writer(root() + "/.taken/scans/" + kToken + "-scan.pdf", std::ios::app);
    EXPECT_EQ(done(kLong, any_end), "being_written") << "somebody has it open";
  }
  EXPECT_EQ(done(Milliseconds(120'000), {}), "being_written") << "it has no end yet";
  EXPECT_EQ(done(kLong, {}), "not_a_document");
  const auto file = the_box->take_up(kToken);
  ASSERT_TRUE(file);
  std::ofstream(root() + "/.taken/scans/" + kToken + "-scan.pdf", std::ios::app) << "ment";
  EXPECT_EQ(the_box->check_done(**file, kLong, any_end).error().reason, "being_written") << "no longer what was looked at";
}

TEST_F(ADropBox, WhateverIsLeftAloneHidesNoDocument) {
  for (int i = 0; i < 30; ++i) put("scan " + std::to_string(i) + ".pdf", "hello");
  for (int i = 0; i < 1500; ++i) {
    put("._scan " + std::to_string(i), "");
    put("~$letter " + std::to_string(i), "");
  }
  for (int i = 0; i < 300; ++i) fs::create_directory(in("folder " + std::to_string(i)));
  EXPECT_EQ(box()->entries()->size(), 30U);
}

// Whatever the order of the directory, and whatever times their senders set: those that have lain there for longest are among those told
// of, and what cannot be taken hides nobody.
TEST_F(ADropBox, AThousandFilesHideNoOther) {
  for (int i = 0; i < 100; ++i) put("old " + std::to_string(i), "hello");
  std::set<std::string> aside;
  for (int i = 0; i < 2200; ++i) {
    const auto name = "new " + std::to_string(i);
    put(name, "hello");
    fs::last_write_time(in(name), fs::file_time_type::clock::now() - std::chrono::hours(10'000 - i));
    aside.insert(name);
  }
  const auto the_box = box();
  const auto entries = the_box->entries();
  ASSERT_EQ(entries->size(), 1000U);
  EXPECT_TRUE(std::ranges::is_sorted(*entries, {}, [](const DropEntry& entry) { return entry.stamp.modified_ns; }));
  EXPECT_EQ(std::ranges::count_if(*entries, [](const DropEntry& entry) { return entry.name.starts_with("old"); }), 100);
  EXPECT_EQ(the_box->entries(aside)->size(), 2300U) << "all of them: those aside are not counted";
}

TEST_F(ADropBox, D9_AFileThatSomebodyHasOpenForWritingIsNotTaken) {
  put("scan.pdf", "half a text");
  {
    const std::ofstream writer(in("scan.pdf"), std::ios::app);
    EXPECT_EQ(outcome("scan.pdf"), "being_written");
  }
  EXPECT_EQ(outcome("scan.pdf"), "taken");
}

TEST_F(ADropBox, D9_AFileThatHasJustChangedIsNotTaken) {
  put("scan.pdf", "hello");
  const auto the_box = box();
  const auto entry = entry_of(*the_box, "scan.pdf");
  EXPECT_EQ(the_box->take(entry, Milliseconds(1'999), {}, kToken).error().reason, "being_written");
  put("scan.pdf", "hello again");
  EXPECT_EQ(the_box->take(entry, kLong, {}, kToken).error().reason, "being_written") << "another size than was looked at";
  EXPECT_TRUE(fs::exists(in("scan.pdf")));
}

TEST_F(ADropBox, D9_AFileChangedWhileItIsReadIsNotAccepted) {
  put("scan.pdf", "hello");
  const auto the_box = box();
  auto file = the_box->take(entry_of(*the_box, "scan.pdf"), kLong, {}, kToken);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->read(100));
  std::ofstream(root() + "/.taken/scans/" + (*file)->stored_name(), std::ios::app) << "more";
  ASSERT_EQ(base::as_text((*file)->read(100).value()), "more");
  EXPECT_EQ((*file)->read(100).error().reason, "being_written");
}

TEST_F(ADropBox, AnUploadThatBrokeOffIsWaitedForAndThenRefused) {
  put("scan.pdf", "%PDF-1.7\nhalf a docu");
  const auto the_box = box();
  const auto entry = entry_of(*the_box, "scan.pdf");
  EXPECT_EQ(the_box->take(entry, Milliseconds(120'000), {}, kToken).error().reason, "being_written");
  const auto refused = the_box->take(entry, Milliseconds(300'000), {}, kToken);
  EXPECT_EQ(refused.error().reason, "not_a_document");
  EXPECT_NE(refused.error().text.find("a PDF without its end"), std::string::npos) << refused.error().text;
}

TEST_F(ADropBox, AnEmptyFileIsWaitedForLonger) {
  put("scan.txt", "");
  const auto the_box = box();
  const auto entry = entry_of(*the_box, "scan.txt");
  EXPECT_EQ(the_box->take(entry, Milliseconds(9'000), {}, kToken).error().reason, "being_written");
  EXPECT_TRUE(the_box->take(entry, Milliseconds(10'000), {}, kToken));
}

// A sender that dies before its first octet leaves one.
TEST_F(ADropBox, D9_AnEmptyFileWhoseNameSaysWhatItWasToBecomeIsNoDocument) {
  put("scan.pdf", "");
  const auto the_box = box();
  const auto entry = entry_of(*the_box, "scan.pdf");
  EXPECT_EQ(the_box->take(entry, Milliseconds(299'000), {}, kToken).error().reason, "being_written");
  EXPECT_EQ(the_box->take(entry, Milliseconds(300'000), {}, kToken).error().reason, "not_a_document");
}

TEST_F(ADropBox, WhereNobodyCanTellItWaitsLongerThanTheFileServerForASilentSender) {
  const auto recipe = content_of(LATCHKEY_SOURCE_DIR "/packaging/folder/vsftpd.conf");
  const std::string key = "\ndata_connection_timeout=";
  const auto at = recipe.find(key);
  ASSERT_NE(at, std::string::npos);
  EXPECT_GT(DropPatience().unsure, Milliseconds(1000LL * std::stoi(recipe.substr(at + key.size()))));
}

TEST_F(ADropBox, G5_ASymlinkIsNotFollowed) {
  std::ofstream(directory_.path() + "/data/master.key") << "secret";
  fs::create_symlink(directory_.path() + "/data/master.key", in("scan.pdf"));
  EXPECT_EQ(outcome("scan.pdf"), "not_a_document");
  EXPECT_EQ(content_of(directory_.path() + "/data/master.key"), "secret");
}

TEST_F(ADropBox, G5_AHardLinkIsNotTaken) {
  std::ofstream(directory_.path() + "/elsewhere") << "secret";
  fs::create_hard_link(directory_.path() + "/elsewhere", in("scan.pdf"));
  EXPECT_EQ(outcome("scan.pdf"), "not_a_document");
}

TEST_F(ADropBox, G5_APipeIsNotOpened) {
  ASSERT_EQ(::mkfifo(in("scan.pdf").c_str(), 0600), 0);
  EXPECT_EQ(outcome("scan.pdf"), "not_a_document");
}

TEST_F(ADropBox, G5_ADeviceIsNotOpened) {
  if (::mknod(in("scan.pdf").c_str(), S_IFCHR | 0600, makedev(1, 5)) != 0) GTEST_SKIP() << "only root makes devices";
  EXPECT_EQ(outcome("scan.pdf"), "not_a_document");
}

TEST_F(ADropBox, G5_AFileOfAnotherUserIsNotTaken) {
  put("scan.pdf", "hello");
  if (::chown(in("scan.pdf").c_str(), 4711, static_cast<gid_t>(-1)) != 0) GTEST_SKIP() << "only root gives files away";
  EXPECT_EQ(outcome("scan.pdf"), "not_a_document");
  const auto allowed = open({"4711"});
  ASSERT_TRUE(allowed) << allowed.error().text;
  const auto the_box = (*allowed)->box("scans");
  ASSERT_TRUE(the_box);
  EXPECT_TRUE((*the_box)->take(entry_of(**the_box, "scan.pdf"), kLong, {}, kToken)) << "who is listed may";
}

TEST_F(ADropBox, G5_ADirectorySwappedForALinkIsNotEntered) {
  const auto the_box = box();
  fs::create_directories(directory_.path() + "/other");
  std::ofstream(directory_.path() + "/other/scan.pdf") << "secret";
  fs::rename(root() + "/scans", root() + "/before");
  fs::create_directory_symlink(directory_.path() + "/other", root() + "/scans");
  EXPECT_EQ(root_->box("scans").error().reason, "drop_box");
  EXPECT_TRUE(the_box->entries()->empty()) << "what is open stays what it was";
}

TEST_F(ADropBox, G5_NamesThatClimbLeadNowhere) {
  std::ofstream(root() + "/above.pdf") << "secret";
  const auto the_box = box();
  struct stat status{};
  ASSERT_EQ(::stat((root() + "/above.pdf").c_str(), &status), 0);
  for (const std::string name : {"../above.pdf", "../../data/x"}) {
    EXPECT_FALSE(the_box->take({.name = name, .stamp = {}}, kLong, {}, kToken)) << name;
  }
  EXPECT_EQ(root_->box("../drop/scans").error().reason, "drop_box");
}

TEST_F(ADropBox, D7_ANameThatNoServiceTakesIsRefusedInWords) {
  for (const std::string& name : {std::string("a\\b.pdf"), std::string("a\nb.pdf"), std::string(220, 'x')}) {
    put(name, "hello");
    EXPECT_EQ(outcome(name), "not_a_document") << name;
  }
}

TEST_F(ADropBox, WhatIsRefusedLiesBesideItsReasonUnderAFreeName) {
  for (const auto* text : {"first", "second"}) {
    put("scan.pdf", text);
    const auto the_box = box();
    ASSERT_TRUE(the_box->refuse(entry_of(*the_box, "scan.pdf"), "Too large."));
  }
  EXPECT_FALSE(fs::exists(in("scan.pdf")));
  EXPECT_EQ(content_of(in(".refused/scan.pdf")), "first");
  EXPECT_EQ(content_of(in(".refused/scan.pdf.why.txt")), "Too large.\n");
  EXPECT_EQ(content_of(in(".refused/scan-2.pdf")), "second");
  EXPECT_EQ(content_of(in(".refused/scan-2.pdf.why.txt")), "Too large.\n");
}

TEST_F(ADropBox, NothingIsRefusedThroughALink) {
  fs::create_directories(directory_.path() + "/other");
  fs::create_directory_symlink(directory_.path() + "/other", in(".refused"));
  put("scan.pdf", "hello");
  const auto the_box = box();
  EXPECT_EQ(the_box->refuse(entry_of(*the_box, "scan.pdf"), "Too large.").error().reason, "drop_box");
  EXPECT_TRUE(fs::is_empty(directory_.path() + "/other"));
  EXPECT_TRUE(fs::exists(in("scan.pdf")));
}

TEST_F(ADropBox, IsThereOnlyWhereItsDirectoryIs) {
  auto opened = open();
  ASSERT_TRUE(opened);
  EXPECT_EQ((*opened)->box("others").error().reason, "no_drop_box");
  std::ofstream(root() + "/file") << "";
  EXPECT_EQ((*opened)->box("file").error().reason, "drop_box");
}

TEST_F(ADropBox, ARootThatOthersMayChangeIsRefusedAtTheStart) {
  fs::permissions(root(), fs::perms(0777));
  EXPECT_NE(open().error().text.find("chmod go-w"), std::string::npos) << open().error().text;
  fs::permissions(root(), fs::perms(0755));
  fs::permissions(directory_.path(), fs::perms(0777));
  EXPECT_NE(open().error().text.find("writable for everybody"), std::string::npos) << open().error().text;
  fs::permissions(directory_.path(), fs::perms(01777));
  EXPECT_TRUE(open()) << "sticky: others may make names there, and not move ours";
}

TEST_F(ADropBox, ARootInsideTheDataDirectoryOrAroundItIsRefused) {
  const auto opened = [&](const std::string& root, const std::string& data) {
    return DropRoot::open({.root = root, .owners = {"0"}, .data = data});
  };
  EXPECT_EQ(opened(root(), directory_.path()).error().field, "folder.root");
  EXPECT_EQ(opened(directory_.path(), directory_.path() + "/data").error().field, "folder.root");
  EXPECT_TRUE(opened(root(), directory_.path() + "/dro")) << "a name that begins alike is another directory";
  EXPECT_EQ(opened(directory_.path() + "/nowhere", directory_.path() + "/data").error().field, "folder.root");
  fs::create_directory_symlink(root(), directory_.path() + "/link");
  EXPECT_EQ(opened(directory_.path() + "/link", directory_.path() + "/data").error().field, "folder.root");
}

TEST_F(ADropBox, OwnersAreNamesOrNumbersOfThisMachine) {
  EXPECT_TRUE(open({"root", "1"}));
  EXPECT_EQ(open({"no-such-user-here"}).error().field, "folder.uids");
  EXPECT_EQ(open(std::vector<std::string>{}).error().field, "folder.uids");
}

}  // namespace
}  // namespace latchkey::doors
