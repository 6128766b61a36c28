// A small SQLite file of a Cloud Service's own, made when it is absent and recognised by its number.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/sqlite/connection.h"

namespace latchkey::store::sqlite {

struct BookFile {
  std::int64_t id = 0;  // PRAGMA application_id: no other program's file, nor an office server's store
  std::int64_t schema = 1;
  std::string_view tables;
  std::string_view name;  // for errors: "file of enrolments"
};

// With mode 0600. Several processes may have it open. `vfs`: SQLite's default where empty. Errors: corrupt/`future_schema`, corrupt/`not_a_book`; as error_of.
[[nodiscard]] Result<std::unique_ptr<Connection>> open_book_file(const std::string& path, const BookFile& book,
                                                                  const std::string& vfs = {});

// Rolls back what has been begun, and passes the error on.
[[nodiscard]] std::unexpected<Error> undone(Connection& db, Error error);

}  // namespace latchkey::store::sqlite
