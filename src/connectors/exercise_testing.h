// One exercise suite that every connector must pass, against its service or what stands for it. A test file instantiates it:
//
//   INSTANTIATE_TEST_SUITE_P(PracticeDrive, ConnectorExercise, ::testing::Values(DestinationFactory([] { return ...; })));
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connectors/connector.h"

namespace latchkey::connectors {

// A connector, the service it speaks to, and a look behind the scenes of it.
class DestinationUnderTest {
 public:
  virtual ~DestinationUnderTest() = default;
  [[nodiscard]] virtual Connector& connector() = 0;
  [[nodiscard]] virtual std::string base_url() = 0;
  // A token that is good.
  [[nodiscard]] virtual Secret token() = 0;
  // Lower-case hexadecimal SHA-256 of every document there, by path.
  [[nodiscard]] virtual std::map<std::string, std::string> hashes() = 0;
  // Runs one task to its end.
  [[nodiscard]] virtual Result<Receipt> run(Task<Result<Receipt>> task) = 0;
  [[nodiscard]] virtual Result<std::vector<ListItem>> run(Task<Result<std::vector<ListItem>>> task) = 0;
};
using DestinationFactory = std::function<std::unique_ptr<DestinationUnderTest>()>;

// A document in memory that counts what was read of it.
class MemoryDocument final : public Document {
 public:
  explicit MemoryDocument(Bytes octets);
  [[nodiscard]] std::uint64_t size_bytes() const override { return octets_.size(); }
  [[nodiscard]] const Bytes& sha256() const override { return sha256_; }
  [[nodiscard]] Task<Result<Secret>> read(std::uint64_t offset, std::size_t size_bytes) override;
  [[nodiscard]] std::string hash() const { return base::to_hex(sha256_); }

  std::uint64_t read_bytes = 0;
  std::optional<std::uint64_t> unreadable_from;  // as a damaged document on the disk

 private:
  Bytes octets_;
  Bytes sha256_;
};

// Gives the service's good token, or first a bad one; counts how often another was asked for.
class CountedTokens final : public TokenSource {
 public:
  explicit CountedTokens(DestinationUnderTest& destination) : destination_(destination) {}
  [[nodiscard]] Task<Result<Secret>> token() override;
  [[nodiscard]] Task<Result<Secret>> another_token() override;

  bool first_is_stale = false;
  bool all_are_stale = false;
  int others = 0;

 private:
  DestinationUnderTest& destination_;
};

// Remembers the last note; fails from the one named on, as a process that dies there.
class RememberedProgress final : public Progress {
 public:
  [[nodiscard]] Task<Result<void>> note(std::string resume_point, std::uint64_t sent_bytes) override;

  std::string resume_point;
  std::uint64_t sent_bytes = 0;
  std::vector<std::uint64_t> all_sent_bytes;
  int notes = 0;
  int dies_at = 0;  // 0: never
};

class ConnectorExercise : public ::testing::TestWithParam<DestinationFactory> {
 protected:
  void SetUp() override { destination_ = GetParam()(); }
  [[nodiscard]] StoreOrder order(MemoryDocument& document, std::string path, std::string key);
  [[nodiscard]] Result<Receipt> store(StoreOrder order) {
    return destination_->run(destination_->connector().store(std::move(order)));
  }

  std::unique_ptr<DestinationUnderTest> destination_;
  RememberedProgress progress_;
  std::unique_ptr<CountedTokens> tokens_;
};

}  // namespace latchkey::connectors
