// The readers' connections: as many as the pool has threads, so that borrowing never waits.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "store/sqlite/connection.h"

namespace latchkey::store::sqlite {

class ReaderConnections {
 public:
  explicit ReaderConnections(std::vector<std::unique_ptr<Connection>> connections) : idle_(std::move(connections)) {}
  ReaderConnections(const ReaderConnections&) = delete;
  ReaderConnections& operator=(const ReaderConnections&) = delete;

  class Borrowed {
   public:
    explicit Borrowed(ReaderConnections& owner) : owner_(owner) {
      const std::lock_guard lock(owner_.mutex_);
      LATCHKEY_CHECK(!owner_.idle_.empty());
      connection_ = std::move(owner_.idle_.back());
      owner_.idle_.pop_back();
    }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    ~Borrowed() {
      const std::lock_guard lock(owner_.mutex_);
      owner_.idle_.push_back(std::move(connection_));
    }
    Connection& operator*() const { return *connection_; }

   private:
    ReaderConnections& owner_;
    std::unique_ptr<Connection> connection_;
  };

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace latchkey::store::sqlite
