#include "delivery/kept_fields.h"

#include <gtest/gtest.h>

namespace latchkey::delivery {
namespace {

TEST(KeptFields, StandBesideWhatGoesWithTheDocument) {
  store::Delivery delivery;
  delivery.fields_json = R"({"path":"a.pdf"})";
  EXPECT_EQ(counter_of(delivery), std::nullopt);
  EXPECT_FALSE(awaits_type(delivery));
  set_counter(delivery, 17);
  set_awaits_type(delivery);
  EXPECT_EQ(counter_of(delivery), 17);
  EXPECT_TRUE(awaits_type(delivery));
  forget_counter(delivery);
  forget_awaits_type(delivery);
  EXPECT_EQ(delivery.fields_json, R"({"path":"a.pdf"})");
}

TEST(KeptFields, D1_WhatBeginsAnewHasAnotherKey) {
  store::Delivery delivery{
      .id = *DeliveryId::parse("0193a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b"), .resume_point = "at 7", .sent_bytes = 7};
  EXPECT_EQ(upload_key_of(delivery), delivery.id.text());
  EXPECT_EQ(begun_under(delivery), std::nullopt);
  set_begun_under(delivery, store::ConflictRule::new_version);
  EXPECT_EQ(begun_under(delivery), store::ConflictRule::new_version);
  EXPECT_EQ(upload_key_of(delivery), delivery.id.text()) << "it goes on";
  begin_anew(delivery);
  EXPECT_EQ(upload_key_of(delivery), delivery.id.text() + "-1");
  EXPECT_EQ(begun_under(delivery), std::nullopt);
  EXPECT_TRUE(delivery.resume_point.empty());
  EXPECT_EQ(delivery.sent_bytes, 0);
  begin_anew(delivery);
  EXPECT_EQ(upload_key_of(delivery), delivery.id.text() + "-2");
}

TEST(KeptFields, WhatItCameWithIsKeptWhereItsNameDoesNotSayIt) {
  store::Delivery delivery{.connector = "scans", .name = "In/scan.pdf"};
  set_name_it_came_with(delivery, "scan.pdf");
  EXPECT_EQ(delivery.fields_json, "{}");
  EXPECT_EQ(name_it_came_with(delivery), "scan.pdf");
  for (const std::string name : {"März.pdf", ""}) {
    set_name_it_came_with(delivery, name);
    EXPECT_EQ(name_it_came_with(delivery), name);
  }
  EXPECT_EQ(handed_in_for(delivery), "scans");
  set_handed_in_for(delivery, handed_in_for(delivery));
  delivery.connector = "archive";
  EXPECT_EQ(handed_in_for(delivery), "scans");
  replace_fields(delivery, R"({"remark":"x"})");
  EXPECT_EQ(handed_in_for(delivery), "scans");
  EXPECT_EQ(name_it_came_with(delivery), "");
  EXPECT_NE(delivery.fields_json.find("remark"), std::string::npos);
  set_name_it_came_with(delivery, "scan.pdf");
  EXPECT_EQ(name_it_came_with(delivery), "scan.pdf");
}

// D7: whoever hands a document in chooses neither its number nor whether it is sent.
TEST(KeptFields, D7_WhatAFormBringsIsNotTakenForThem) {
  store::Delivery delivery;
  delivery.fields_json =
      R"({"counter":"3","awaits_type":"true","beginnings":"9","begun_under":"1","came_as":"x","came_for":"y"})";
  const auto said = delivery.fields_json;
  EXPECT_EQ(counter_of(delivery), std::nullopt);
  EXPECT_FALSE(awaits_type(delivery));
  forget_counter(delivery);
  forget_awaits_type(delivery);
  EXPECT_EQ(delivery.fields_json, said) << "what the sender said stays";
  EXPECT_EQ(upload_key_of(delivery), delivery.id.text());
  EXPECT_EQ(begun_under(delivery), std::nullopt);
  EXPECT_EQ(name_it_came_with(delivery), "");
  EXPECT_EQ(handed_in_for(delivery), "");
}

}  // namespace
}  // namespace latchkey::delivery
