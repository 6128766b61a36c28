#include "people/device_secret.h"

#include <gtest/gtest.h>

#include <set>

#include "base/entropy.h"

namespace latchkey::people {
namespace {

std::string read(std::string_view typed) {
  const auto secret = read_device_secret(Secret(typed));
  return secret ? std::string(secret->reveal_text()) : "not a secret";
}

TEST(DeviceSecret, T8_IsLongEnoughNeverToBeGuessedAndFitsDevicesFields) {
  base::SystemEntropy entropy;
  EXPECT_EQ(make_device_secret(SecretForm::whole, entropy).size(), 52u);
  EXPECT_EQ(make_device_secret(SecretForm::compact, entropy).size(), 32u);
  std::set<std::string> seen;
  std::set<char> characters;
  for (int i = 0; i < 200; ++i) {
    const auto secret = make_device_secret(SecretForm::compact, entropy);
    seen.emplace(secret.reveal_text());
    characters.insert(secret.reveal_text().begin(), secret.reveal_text().end());
  }
  EXPECT_EQ(seen.size(), 200u);
  EXPECT_EQ(std::string(characters.begin(), characters.end()), "0123456789abcdefghjkmnpqrstvwxyz") << "five bits each, no look-alikes";
}

TEST(DeviceSecret, IsReadAsPeopleAndDevicesWriteIt) {
  base::SystemEntropy entropy;
  for (const auto form : {SecretForm::whole, SecretForm::compact}) {
    const auto secret = make_device_secret(form, entropy);
    const std::string text(secret.reveal_text());
    EXPECT_EQ(read(text), text);
    std::string grouped;
    std::string loud;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (i > 0 && i % 4 == 0) grouped += i % 8 == 0 ? '-' : ' ';
      grouped += text[i];
      loud += static_cast<char>(std::toupper(static_cast<unsigned char>(text[i])));
    }
    EXPECT_LE(grouped.size(), 64u);
    EXPECT_EQ(read(grouped), text);
    EXPECT_EQ(read(loud), text);
    std::string misread = text;
    for (auto& c : misread) {
      if (c == '0') c = 'o';
      if (c == '1') c = 'l';
    }
    EXPECT_EQ(read(misread), text);
  }
}

TEST(DeviceSecret, WhatIsNoneIsNotRead) {
  const std::string compact(32, 'a');
  EXPECT_EQ(read(compact), compact);
  EXPECT_EQ(read(""), "not a secret");
  EXPECT_EQ(read("k7mq2xw9pd"), "not a secret") << "a PIN";
  EXPECT_EQ(read(std::string(31, 'a')), "not a secret");
  EXPECT_EQ(read(std::string(33, 'a')), "not a secret");
  EXPECT_EQ(read(std::string(53, 'a')), "not a secret");
  EXPECT_EQ(read(std::string(31, 'a') + "u"), "not a secret") << "u is of no secret";
  EXPECT_EQ(read(std::string(31, 'a') + "\n"), "not a secret");
  EXPECT_EQ(read(compact + std::string(1000, ' ')), "not a secret");
}

TEST(DeviceSecret, FormsHaveNames) {
  EXPECT_EQ(parse_secret_form("compact"), SecretForm::compact);
  EXPECT_EQ(parse_secret_form(name_of(SecretForm::whole)), SecretForm::whole);
  EXPECT_EQ(parse_secret_form("short"), std::nullopt);
}

}  // namespace
}  // namespace latchkey::people
