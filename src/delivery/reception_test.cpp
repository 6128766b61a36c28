// What is asked again at acceptance: hours may have passed since a document began to come in.
#include "delivery/queue_testing.h"

namespace latchkey::delivery {
namespace {

using namespace std::chrono_literals;

class ReceptionTest : public QueueTest {
 protected:
  void SetUp() override {
    QueueTest::SetUp();
    make_desk();
    put_standing_connector("fixed");
    device = {.id = DeviceId::make(wall.now(), entropy),
              .name = "Copier",
              .name_key = "copier",
              .secret_hash = Bytes(32, 1),
              .connectors = {"fixed"},
              .secret_set_at = wall.now(),
              .created_at = wall.now()};
    device_seal.vouch(device);
    commit({store::PutDevice{device}});
  }
  Result<std::unique_ptr<Reception::Incoming>> begun(Submitter submitter, std::string name = "a.pdf") {
    Submission page{.submitter = std::move(submitter),
                    .connector = "fixed",
                    .name = std::move(name),
                    .content_type = "application/pdf",
                    .source = "test"};
    auto incoming = run(reception->open(std::move(page)));
    if (!incoming) return incoming;
    EXPECT_TRUE(run((*incoming)->append(base::to_bytes("a document"))));
    return incoming;
  }
  people::AdmittedDevice copier() const {
    return {.device = device.id, .name = device.name, .secret_set_at = device.secret_set_at};
  }

  store::Device device;
};

TEST_F(ReceptionTest, P4_ADevicesNewSecretEndsTheUploadsOfTheOldOne) {
  auto good = begun(copier());
  ASSERT_TRUE(good) << good.error().reason;
  ASSERT_TRUE(run((*good)->accept()));
  auto late = begun(copier());
  ASSERT_TRUE(late);
  const auto before = copier();
  advance(1s);
  device.version = 1;
  device.secret_set_at = wall.now();
  device_seal.vouch(device);
  commit({store::PutDevice{device}});
  const auto refused = run((*late)->accept());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "invalid_credentials");
  const auto again = begun(before);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().reason, "invalid_credentials");
  late->reset();
  auto fresh = begun(copier());
  ASSERT_TRUE(fresh) << fresh.error().reason;
  EXPECT_TRUE(run((*fresh)->accept()));
}

}  // namespace
}  // namespace latchkey::delivery
