#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "vault/key_files.h"
#include "vault/vault.h"

namespace latchkey::vault {
namespace {

namespace fs = std::filesystem;

class MasterKeyTest : public ::testing::Test {
 protected:
  MasterKeyTest() {
    std::string pattern = (fs::temp_directory_path() / "latchkey-key-XXXXXX").string();
    directory = mkdtemp(pattern.data());
    path = (directory / "master.key").string();
  }
  ~MasterKeyTest() override { fs::remove_all(directory); }

  void write(std::string_view text, fs::perms mode = fs::perms::owner_read | fs::perms::owner_write) {
    std::ofstream(path) << text;
    fs::permissions(path, mode);
  }
  std::string load_reason() {
    const auto key = load_master_key(path, OnMissingKey::create, entropy);
    return key ? "loaded" : key.error().reason;
  }

  base::SystemEntropy entropy;
  fs::path directory;
  std::string path;
};

TEST_F(MasterKeyTest, MadeOnceThenTheSame) {
  const auto made = load_master_key(path, OnMissingKey::create, entropy);
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_EQ(made->size(), 32u);
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_TRUE(made->equals(*load_master_key(path, OnMissingKey::refuse, entropy)));
  EXPECT_TRUE(made->equals(*load_master_key(path, OnMissingKey::create, entropy)));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory), fs::directory_iterator()), 1) << "no draft stays";
}

TEST_F(MasterKeyTest, DraftsOfAKilledProcessGoAndNothingElse) {
  const auto made = load_master_key(path, OnMissingKey::create, entropy);
  const KeyFiles files(path, (directory / "spare.key").string());
  const auto next = files.make_next(entropy);
  ASSERT_TRUE(made && next);
  const std::vector<std::string> drafts{"master.key.0011223344556677.new", "master.key.next.8899aabbccddeeff.new", "spare.key.0011223344556677.new"};
  const std::vector<std::string> others{"master.key.old-00112233", "master.key.new", "master.key.0011.new", "other.key.0011223344556677.new",
                                        "master.key.0011223344556677.new.txt"};
  for (const auto& name : drafts) std::ofstream(directory / name) << "x";
  for (const auto& name : others) std::ofstream(directory / name) << "x";
  files.remove_drafts();
  for (const auto& name : drafts) EXPECT_FALSE(fs::exists(directory / name)) << name;
  for (const auto& name : others) EXPECT_TRUE(fs::exists(directory / name)) << name;
  EXPECT_TRUE(made->equals(*load_master_key(path, OnMissingKey::refuse, entropy)));
  EXPECT_TRUE(files.find(Vault::id_of(next->key), entropy));
}

TEST_F(MasterKeyTest, F6_WhatLiesInTheKeysPlaceIsPutAsideUnderItsOwnName) {
  const auto first = load_master_key(path, OnMissingKey::create, entropy);
  ASSERT_TRUE(first);
  const KeyFiles files(path, (directory / "spare.key").string());
  const auto next = files.make_next(entropy);
  ASSERT_TRUE(next);
  const auto id = Vault::id_of(*first);
  const auto between = Vault::id_of(Secret(Bytes(32, 9)));  // this server never had it
  ASSERT_TRUE(files.install(between, Vault::id_of(next->key), entropy));
  EXPECT_EQ(files.aside(id, entropy), files.retired_path(id));
  EXPECT_FALSE(fs::exists(files.retired_path(between)));
  EXPECT_EQ(files.find(Vault::id_of(next->key), entropy)->path, path);
}

TEST_F(MasterKeyTest, EveryKeyThatLiesThereIsFoundOnceByWhateverName) {
  ASSERT_TRUE(load_master_key(path, OnMissingKey::create, entropy));
  const KeyFiles files(path, (directory / "spare.key.next").string());
  ASSERT_TRUE(files.make_next(entropy));
  fs::copy_file(path, path + ".old-00112233");
  ASSERT_TRUE(write_master_key(path + ".old-44556677", Secret(Bytes(32, 9)), entropy));
  ASSERT_TRUE(write_master_key((directory / "spare.key.old-8899aabb").string(), Secret(Bytes(32, 10)), entropy));
  std::ofstream(path + ".txt") << "x";
  std::vector<std::string> found;
  for (const auto& key : files.all(entropy)) found.push_back(fs::path(key.path).filename().string());
  EXPECT_EQ(found, (std::vector<std::string>{"master.key", "master.key.next", "master.key.old-44556677", "spare.key.old-8899aabb"}));
}

TEST_F(MasterKeyTest, P5_MissingIsRefusedWhereTheStoreHoldsSecrets) {
  const auto key = load_master_key(path, OnMissingKey::refuse, entropy);
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().kind, ErrorKind::misconfigured);
  EXPECT_EQ(key.error().reason, "master_key_missing");
  EXPECT_NE(key.error().text.find(path), std::string::npos);
  EXPECT_FALSE(fs::exists(path)) << "nothing is made over it";
}

TEST_F(MasterKeyTest, ReadableByOthersIsRefused) {
  write(std::string(64, 'a') + "\n", fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read);
  EXPECT_EQ(load_reason(), "master_key_permissions");
  fs::permissions(path, fs::perms::owner_read);
  EXPECT_EQ(load_reason(), "loaded") << "stricter than 0600 is fine";
}

// `latchkey backup` and `restore` run by root beside the service's user.
TEST_F(MasterKeyTest, RootReadsTheKeyOfTheServicesUserAndNeverAsksForIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  write(std::string(64, 'a') + "\n");
  ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
  EXPECT_EQ(load_reason(), "loaded");
  fs::permissions(path, fs::perms::owner_read | fs::perms::group_read);
  const auto open_to_others = load_master_key(path, OnMissingKey::refuse, entropy);
  ASSERT_FALSE(open_to_others);
  EXPECT_EQ(open_to_others.error().text.find("chown"), std::string::npos) << "its owner could not open it any more";
}

TEST_F(MasterKeyTest, MalformedIsRefusedAndLeftAlone) {
  for (const auto& text : {std::string(), std::string("# only a comment\n"), std::string(63, 'a'), std::string(65, 'a'),
                           std::string(64, 'g'), std::string(64, 'a') + "\n" + std::string(64, 'b') + "\n",
                           std::string(5000, 'a')}) {
    write(text);
    EXPECT_EQ(load_reason(), "master_key_malformed") << text;
    EXPECT_EQ(fs::file_size(path), text.size());
  }
  write("# Latchkey\r\n" + std::string(64, 'A') + "\r\n");
  EXPECT_EQ(load_reason(), "loaded");
}

TEST_F(MasterKeyTest, FolderMissingIsSaidInWords) {
  path = (directory / "absent" / "master.key").string();
  const auto key = load_master_key(path, OnMissingKey::create, entropy);
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().reason, "master_key_missing");
  EXPECT_NE(key.error().text.find("cannot be made"), std::string::npos);
}

}  // namespace
}  // namespace latchkey::vault
