#include "doors/http/form_intake.h"

#include <set>

#include "delivery/queue_testing.h"

namespace latchkey::doors {
namespace {

using delivery::QueueTest;

// A form of files, piece by piece; something may happen before each.
class PiecewiseForm final : public net::HttpBody {
 public:
  static constexpr auto kBoundary = "edge";
  explicit PiecewiseForm(std::vector<std::string> names, std::function<void(std::size_t)> before)
      : before_(std::move(before)) {
    for (const auto& name : names)
      pieces_.push_back("--edge\r\nContent-Disposition: form-data; name=\"f\"; filename=\"" + name + "\"\r\n\r\nof " + name +
                        "\r\n");
    pieces_.emplace_back("--edge--\r\n");
  }
  std::optional<std::uint64_t> stated_size() const override { return std::nullopt; }
  Task<Result<Bytes>> pull() override {
    before_(next_);
    co_return next_ < pieces_.size() ? base::to_bytes(pieces_[next_++]) : Bytes();
  }

 private:
  std::function<void(std::size_t)> before_;
  std::vector<std::string> pieces_;
  std::size_t next_ = 0;
};

class FormIntakeTest : public QueueTest {
 protected:
  void SetUp() override {
    QueueTest::SetUp();
    make_desk();
    put_own_connector("own");
  }
  delivery::Submission common() {
    return {.submitter = grants::Caller{.user = grant.user, .auth_epoch = store::User{}.auth_epoch, .pin = pin.clone()},
            .connector = "own",
            .name = "",
            .content_type = "",
            .source = "test"};
  }
};

// What the PIN opens is kept for a while and in bounded number: files of a form may come in for longer.
TEST_F(FormIntakeTest, TheLaterFilesNeedNoPinThatIsRememberedStill) {
  FormIntake form(*reception, common(), PiecewiseForm::kBoundary);
  const auto body =
      std::make_shared<PiecewiseForm>(std::vector<std::string>{"1.pdf", "2.pdf", "3.pdf"}, [this](std::size_t piece) {
        if (piece == 1) hot.clear();
      });
  auto documents = run(form.take(body));
  ASSERT_TRUE(documents) << documents.error().reason;
  ASSERT_EQ(documents->size(), 3U);
  const auto accepted = run(reception->accept(std::move(*documents)));
  ASSERT_TRUE(accepted) << accepted.error().reason;
  std::set<Bytes> keys;
  for (const auto& one : *accepted) {
    keys.insert(one.public_key);
    in(store::DeliveryState::delivered, one.id);
  }
  EXPECT_EQ(keys.size(), 3U) << "each opens by a pair of its own (K2)";
}

// What ends meanwhile ends for all of them: it is asked at acceptance.
TEST_F(FormIntakeTest, P4_AChangedPinEndsTheWholeForm) {
  FormIntake form(*reception, common(), PiecewiseForm::kBoundary);
  const auto body = std::make_shared<PiecewiseForm>(std::vector<std::string>{"1.pdf", "2.pdf"}, [](std::size_t) {});
  auto documents = run(form.take(body));
  ASSERT_TRUE(documents) << documents.error().reason;
  auto user = **run(store->user(grant.user));
  user.auth_epoch += 1;
  user_seal.vouch(user);
  commit({store::UpdateUser{user}});
  const auto accepted = run(reception->accept(std::move(*documents)));
  ASSERT_FALSE(accepted);
  EXPECT_EQ(accepted.error().reason, "invalid_credentials");
  EXPECT_TRUE(run(spool.documents())->empty());
}

}  // namespace
}  // namespace latchkey::doors
