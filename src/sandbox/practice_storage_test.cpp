#include "sandbox/practice_storage.h"

#include <gtest/gtest.h>

namespace latchkey::sandbox {
namespace {

TEST(PracticeStorage, KeepsFilesOfEachAccountApart) {
  PracticeStorage storage;
  const auto stored = storage.put_file("anna", "Scans/a b.pdf", "abc", "application/pdf", {});
  ASSERT_TRUE(stored);
  EXPECT_EQ((*stored)->sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_NE(storage.find_file("anna", "Scans/a b.pdf"), nullptr);
  EXPECT_EQ(storage.find_file("ben", "Scans/a b.pdf"), nullptr);
  ASSERT_TRUE(storage.put_file("anna", "Scans/a b.pdf", "other", "", {}));
  EXPECT_EQ(storage.files("anna").size(), 1U);
  EXPECT_TRUE(storage.remove_file("anna", "Scans/a b.pdf"));
  EXPECT_FALSE(storage.remove_file("anna", "Scans/a b.pdf"));
  EXPECT_EQ(storage.file_count(), 0U);
}

TEST(PracticeStorage, RefusesPathsThatClimb) {
  PracticeStorage storage;
  for (const auto* path : {"", "/", "a//b", "../a", "a/..", "a/./b", "a\\b", "a\nb"}) {
    EXPECT_EQ(storage.put_file("anna", path, "x", "", {}).error().reason, "bad_path") << path;
  }
}

TEST(PracticeStorage, IsBounded) {
  PracticeStorage storage;
  for (int count = 0; count < 500; ++count) {
    ASSERT_TRUE(storage.put_file("anna", "f" + std::to_string(count), "x", "", {}));
  }
  EXPECT_EQ(storage.put_file("ben", "one-more", "x", "", {}).error().reason, "quota_exceeded");
  EXPECT_TRUE(storage.put_file("anna", "f1", "replaced", "", {}));
  for (int count = 0; count < 150; ++count) storage.add_message("anna", "Subject: s\r\n\r\nx", {});
  EXPECT_EQ(storage.messages("anna").size(), 100U);
  EXPECT_EQ(storage.messages("anna").front()->id, "message-150");
}

TEST(PracticeStorage, MailOfAllAccountsSharesOneBound) {
  PracticeStorage storage;
  for (int count = 0; count < 40; ++count) {
    storage.add_message(count % 2 == 0 ? "anna" : "ben", std::string(kMessageBytesMax, 'x'), {});
  }
  EXPECT_LE(storage.message_count() * kMessageBytesMax, 64U * 1024 * 1024);
  EXPECT_EQ(storage.messages("ben").front()->id, "message-40");
}

TEST(PracticeStorage, ReadsTheSubjectFromTheHeaderOnly) {
  PracticeStorage storage;
  EXPECT_EQ(storage.add_message("a", "From: x\r\nSUBJECT: Scan 7\r\n\r\nbody", {}).subject, "Scan 7");
  EXPECT_EQ(storage.add_message("a", "From: x\n\nSubject: no", {}).subject, "");
}

}  // namespace
}  // namespace latchkey::sandbox
