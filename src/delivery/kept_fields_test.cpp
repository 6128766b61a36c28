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

// D7: whoever hands a document in chooses neither its number nor whether it is sent.
TEST(KeptFields, D7_WhatAFormBringsIsNotTakenForThem) {
  store::Delivery delivery;
  delivery.fields_json = R"({"counter":"3","awaits_type":"true"})";
  EXPECT_EQ(counter_of(delivery), std::nullopt);
  EXPECT_FALSE(awaits_type(delivery));
  forget_counter(delivery);
  forget_awaits_type(delivery);
  EXPECT_EQ(delivery.fields_json, R"({"counter":"3","awaits_type":"true"})") << "what the sender said stays";
}

}  // namespace
}  // namespace latchkey::delivery
