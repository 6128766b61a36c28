// What goes with a document is text that every store keeps (RULES K3).
#include "delivery/reception.h"

#include "delivery/queue_testing.h"

namespace latchkey::delivery {
namespace {

class RecordedText : public QueueTest {
 protected:
  void SetUp() override {
    QueueTest::SetUp();
    store::Connector own{.id = "own", .name = "own", .type = "acme-harmless", .account = store::AccountKind::fixed, .owner = grant.user,
                         .naming = "{name}", .created_at = wall.now()};
    sealing.vouch(own);
    commit({store::PutConnector{own}});
    door.emplace(reception_parts(spool));
  }
  Result<store::Delivery> submitted(const std::string& name, const std::string& content_type, const std::string& fields = "{}") {
    auto incoming = run(door->open({.submitter = grants::Caller{.user = grant.user, .auth_epoch = store::User{}.auth_epoch, .pin = pin.clone()},
                                    .connector = "own", .name = name, .content_type = content_type, .source = "test"}));
    if (!incoming) return std::unexpected(incoming.error());
    if (const auto taken = run((*incoming)->append(base::to_bytes("a document"))); !taken) return std::unexpected(taken.error());
    if (fields != "{}") (*incoming)->set_fields(fields);
    return run((*incoming)->accept());
  }

  std::optional<Reception> door;
};

// One store keeps octets, another text alone: what the MAC covers is the same in both.
TEST_F(RecordedText, P6_Attack_ATypeThatIsNoTextIsNoType) {
  for (const auto* type : {"application/p\xff" "df", "application/\xc3\xbc", "pdf", "application/", "a/b c", "a/b\x01"}) {
    const auto one = submitted("a.pdf", type);
    ASSERT_TRUE(one) << one.error().reason;
    EXPECT_EQ(one->content_type, "application/octet-stream") << type;
    EXPECT_TRUE(sealing.check(look(one->id)));
  }
  EXPECT_EQ(submitted("a.pdf", "Application/PDF; name=a.pdf")->content_type, "application/pdf");
  EXPECT_EQ(submitted("a.pdf", "")->content_type, "");
}

TEST_F(RecordedText, P6_Attack_NothingThatIsNoTextGoesWithADocument) {
  for (const auto& fields : {std::string("{\"a\":\"\xff\"}"), std::string("{\"a\":\"\0\"}", 9)}) {
    const auto refused = submitted("a.pdf", "application/pdf", fields);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "bad_text");
  }
  EXPECT_TRUE(run(spool.documents())->empty()) << "nothing of it is kept";
  EXPECT_TRUE(submitted("a.pdf", "application/pdf", "{\"a\":\"\xc3\xa4\"}"));
}

}  // namespace
}  // namespace latchkey::delivery
