#include "doors/http/paced_body.h"

#include <gtest/gtest.h>

#include "base/fakes_testing.h"

namespace latchkey::doors {
namespace {

using namespace std::chrono_literals;

// Gives one piece at a time, each after a while.
class SlowBody final : public net::HttpBody {
 public:
  explicit SlowBody(base::SimulatedSteadyClock& steady) : steady_(steady) {}
  std::optional<std::uint64_t> stated_size() const override { return 7; }
  Task<Result<Bytes>> pull() override {
    steady_.advance(every);
    co_return Bytes(piece_bytes);
  }

  Seconds every{1};
  std::size_t piece_bytes = 1;

 private:
  base::SimulatedSteadyClock& steady_;
};

class PacedBodyTest : public ::testing::Test {
 protected:
  // How many pieces pass, at most so many.
  int pieces(int most) {
    boost::asio::io_context loop;
    for (int count = 0; count < most; ++count) {
      const auto piece = base::run_on_loop(loop, steady, paced.pull());
      if (!piece) {
        EXPECT_EQ(piece.error().reason, "upload_too_slow");
        return count;
      }
    }
    return most;
  }
  base::SimulatedSteadyClock steady;
  std::shared_ptr<SlowBody> slow = std::make_shared<SlowBody>(steady);
  PacedBody paced{slow, steady, {.bytes_per_second = 1000, .window = 60s}};
};

TEST_F(PacedBodyTest, WhoTricklesIsSentAwayAfterTheWindow) { EXPECT_EQ(pieces(100), 59); }

TEST_F(PacedBodyTest, WhoIsSlowButSteadyPasses) {
  slow->piece_bytes = 1000;
  EXPECT_EQ(pieces(500), 500);
}

TEST_F(PacedBodyTest, WhoBeganFastIsMeasuredAnew) {
  slow->piece_bytes = 10'000'000;
  EXPECT_EQ(pieces(60), 60);
  slow->piece_bytes = 1;
  EXPECT_EQ(pieces(100), 59);
}

TEST_F(PacedBodyTest, TheTimeInWhichNobodyAskedDoesNotCount) {
  slow->piece_bytes = 1000;
  for (int i = 0; i < 200; ++i) {
    steady.advance(30s);  // the disk was slow
    EXPECT_EQ(pieces(1), 1);
  }
}

TEST_F(PacedBodyTest, TheEndIsNeverTooSlow) {
  slow->piece_bytes = 0;
  slow->every = 100s;
  EXPECT_EQ(pieces(1), 1);
  EXPECT_EQ(paced.stated_size(), 7U);
}

}  // namespace
}  // namespace latchkey::doors
