// A look into the book of enrolments out of turn: an office that another instance has enrolled a moment ago is not known here yet.
#pragma once

#include "base/pool.h"
#include "base/task.h"
#include "net/ip_address.h"
#include "relay/enrolled_offices.h"
#include "relay/enrolment_gate.h"

namespace latchkey::relay {

// What it is given outlives it. Thread-safe.
class BookLook {
 public:
  // `disk`: the book's thread. `gate`: anybody can name an office that nobody knows.
  BookLook(EnrolledOffices& offices, EnrolmentGate& gate, Worker& disk, const SteadyClock& steady)
      : offices_(offices), gate_(gate), disk_(disk), steady_(steady) {}

  // False: not read, since this source has asked too often or the book cannot be read; what was known stays.
  [[nodiscard]] Task<bool> read_for(net::SourceAddress from) const {
    const auto place = gate_.enter(from, steady_.now());
    if (!place) co_return false;
    auto* offices = &offices_;
    const auto read = co_await disk_.run([offices] { return offices->read_again(); });
    co_return read.has_value();
  }

 private:
  EnrolledOffices& offices_;
  EnrolmentGate& gate_;
  Worker& disk_;
  const SteadyClock& steady_;
};

}  // namespace latchkey::relay
