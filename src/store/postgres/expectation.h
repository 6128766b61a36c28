// Private to the plans: statements that fail unless they change a row.
#pragma once

// `change` is an INSERT, UPDATE or DELETE that ends in RETURNING. The server cannot make a number of the words, refuses the
// statement, and the refusal names them (plan.cpp reads them). Both texts are literals.
#define LATCHKEY_EXPECT_GONE(change, what)                                                          \
  "WITH changed AS (" change ") SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM changed) THEN '1' " \
  "ELSE 'latchkey:gone:" what "' END AS BIGINT)"

// `probe` finds a row when the record exists, whatever its version.
#define LATCHKEY_EXPECT_VERSION(change, probe, what)                                                \
  "WITH changed AS (" change ") SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM changed) THEN '1' " \
  "WHEN EXISTS (" probe ") THEN 'latchkey:version' ELSE 'latchkey:gone:" what "' END AS BIGINT)"
