// One connector's drop folder: what lies in it, taking a file out of it, and giving back what is refused.
//
// Invariants: a file is looked at through one descriptor, opened once beneath its directory with no link followed; it is
// regular, has one name and an allowed owner, and nobody is writing to it; it is out of everybody's reach before its first
// octet is read. Blocking: for the door's own threads; thread-safe.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "doors/folder/descriptor.h"
#include "doors/folder/settling.h"

namespace latchkey::doors {

// How long a file must have been as it is.
struct DropPatience {
  Milliseconds settled{2'000};       // where the kernel says that nobody has it open for writing
  // Where it cannot say: file systems of networks, files of others without CAP_LEASE. Longer than a file server waits for a silent
  // upload before it removes it (data_connection_timeout in packaging/folder/vsftpd.conf).
  Milliseconds unsure{150'000};
  Milliseconds incomplete{300'000};  // where its end is missing; then it is refused
  bool check_endings = true;         // whether an end may be missing (document_end.h)
};

// Something in the directory that may be a document.
struct DropEntry {
  std::string name;  // octets
  Stamp stamp;
};

// A file that was taken and is still here.
struct LeftFile {
  std::string token;
  Stamp stamp;
};

// Whether a name in `.taken` is that of a file that was taken: "TOKEN-scan.pdf".
[[nodiscard]] bool is_taken_name(std::string_view name);

// A file that was moved out of its folder, open. A resource.
class TakenFile {
 public:
  TakenFile(std::string token, std::string name, Descriptor file, Stamp stamp)
      : token_(std::move(token)), name_(std::move(name)), file_(std::move(file)), stamp_(stamp) {}

  // Drawn for this file alone; the same after a restart.
  [[nodiscard]] const std::string& token() const { return token_; }
  [[nodiscard]] const std::string& name() const { return name_; }  // octets, as its sender gave it
  [[nodiscard]] std::uint64_t size_bytes() const { return static_cast<std::uint64_t>(stamp_.size_bytes); }
  [[nodiscard]] std::string stored_name() const { return token_ + "-" + name_; }
  [[nodiscard]] const Stamp& stamp() const { return stamp_; }
  [[nodiscard]] int descriptor() const { return file_.get(); }

  // What follows, at most `size_bytes`; empty at the end. Errors: unavailable/`drop_read_failed`; conflict/`being_written`
  // when the file is no longer as it was taken.
  [[nodiscard]] Result<Bytes> read(std::size_t size_bytes);

 private:
  std::string token_;
  std::string name_;
  Descriptor file_;
  Stamp stamp_;
  std::uint64_t read_ = 0;
};

class DropBox {
 public:
  // `taken`: where files go that are being taken in; on the same file system, and ours alone.
  DropBox(std::string path, std::vector<uid_t> owners, Descriptor directory, Descriptor taken);
  DropBox(const DropBox&) = delete;
  DropBox& operator=(const DropBox&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  // For a watch on the directory itself, whatever its name has come to mean.
  [[nodiscard]] int directory() const { return directory_.get(); }

  // Everything but directories and what is left alone (file_name.h), the oldest first: those named in `aside`, and a thousand others,
  // which nobody has touched for longest. Errors: unavailable/`folder_unreadable`.
  [[nodiscard]] Result<std::vector<DropEntry>> entries(const std::set<std::string>& aside = {}) const;

  // Moves a file out of its folder for good. `token`: [0-9a-f]{32}. Errors: conflict/`being_written` (it changes, is open
  // for writing, or has no end yet: another time), not_found/`gone`, refused/`not_a_document` (with words: what it is, and
  // is never taken for), misconfigured/`drop_box` (it cannot be opened or moved: the directory's rights).
  [[nodiscard]] Result<std::unique_ptr<TakenFile>> take(const DropEntry& entry, Milliseconds unchanged_for,
                                                        const DropPatience& patience, const std::string& token) const;

  // What was taken and is still here, in the order in which it was taken: it has not been handed in yet, a process ended, the
  // server could not accept it, or it was written to while it was read. The tokens in `aside`, and a thousand others. Errors as of
  // entries().
  [[nodiscard]] Result<std::vector<LeftFile>> taken(const std::set<std::string>& aside = {}) const;
  // Errors: not_found/`gone`, refused/`not_a_document`.
  [[nodiscard]] Result<std::unique_ptr<TakenFile>> take_up(const std::string& token) const;
  // Whether its sender is done with a file that was taken up, as take() asks: one who had it open may go on writing to it
  // wherever it lies. Errors: conflict/`being_written`, refused/`not_a_document`.
  [[nodiscard]] Result<void> check_done(const TakenFile& file, Milliseconds unchanged_for,
                                        const DropPatience& patience) const;

  // It is accepted. The removal is on the medium when it returns. Errors: unavailable/`drop_not_removed`.
  [[nodiscard]] Result<void> remove(const TakenFile& file) const;
  // Into `.refused`, under a free name, with `words` in a text file beside it. Errors: misconfigured/`drop_box`.
  [[nodiscard]] Result<void> refuse(const DropEntry& entry, const std::string& words) const;
  [[nodiscard]] Result<void> refuse(const TakenFile& file, const std::string& words) const;

 private:
  [[nodiscard]] Result<std::string> find_taken(const std::string& token) const;
  [[nodiscard]] Result<void> refuse(int directory, const std::string& stored_name, const std::string& name,
                                    const std::string& words) const;

  std::string path_;
  std::vector<uid_t> owners_;
  Descriptor directory_;
  Descriptor taken_;
};

}  // namespace latchkey::doors
