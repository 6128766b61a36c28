// A new, empty database in the cluster that LATCHKEY_TEST_POSTGRES names (tests/support/postgres.mjs makes one); dropped
// with the object.
#pragma once

#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>

#include "base/result.h"

namespace latchkey::store {

class TestDatabase {
 public:
  // nullptr: there is no cluster.
  [[nodiscard]] static std::unique_ptr<TestDatabase> make() {
    const char* cluster = std::getenv("LATCHKEY_TEST_POSTGRES");
    if (cluster == nullptr || *cluster == '\0') return nullptr;
    return std::unique_ptr<TestDatabase>(new TestDatabase(cluster));
  }
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;
  ~TestDatabase() { run("postgres", "DROP DATABASE " + name_ + " WITH (FORCE)"); }

  [[nodiscard]] std::string url() const { return cluster_ + "/" + name_; }
  // Runs statements in it; the first column of the first row, or empty.
  std::string sql(const std::string& text) const { return run(name_, text); }

 private:
  explicit TestDatabase(std::string cluster) : cluster_(std::move(cluster)) {
    static std::atomic<int> count{0};
    name_ = "test_" + std::to_string(::getpid()) + "_" + std::to_string(++count);
    run("postgres", "CREATE DATABASE " + name_ + " TEMPLATE template0");
  }
  std::string run(const std::string& database, const std::string& text) const {
    pg_conn* connection = PQconnectdb((cluster_ + "/" + database).c_str());
    pg_result* result = PQexec(connection, text.c_str());
    const auto status = PQresultStatus(result);
    std::string value;
    if (status == PGRES_TUPLES_OK && PQntuples(result) > 0) value = PQgetvalue(result, 0, 0);
    const std::string problem = PQerrorMessage(connection);
    PQclear(result);
    PQfinish(connection);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) ADD_FAILURE() << text << ": " << problem;
    return value;
  }

  std::string cluster_;
  std::string name_;
};

}  // namespace latchkey::store
