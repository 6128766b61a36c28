// Sketch before the code (one core of a small server, token of 1.5 kB):
//   find_token   two BLAKE2b blocks twice (0.4 us) + XChaCha20-Poly1305 of 1.5 kB (1 us)          about 1.5 us, 2 at most
//   open_with    one X25519 (35 us) + HKDF and two committed layers (5 us)                        about 40 us, 100 at most
//   seal_to      two X25519                                                                       about 70 us
//   unwrap PIN   Argon2id, 64 MiB, 3 passes: memory-bound                                         about 100 ms
#include <benchmark/benchmark.h>
#include <sodium.h>

#include "vault/hot_cache.h"
#include "vault/vault.h"

namespace latchkey::vault {
namespace {

constexpr std::size_t kTokenBytes = 1500;

template <class Tag>
base::Id<Tag> id_of(std::uint8_t octet) {
  base::IdOctets octets{};
  octets.fill(octet);
  return base::Id<Tag>(octets);
}

struct Fixture {
  base::SystemEntropy entropy;
  base::SystemSteadyClock clock;
  Vault vault{Secret(Bytes(32, 1)), entropy};
  UserId user = id_of<base::UserTag>(1);
  GrantId grant = id_of<base::GrantTag>(1);
  Secret token{std::string(kTokenBytes, 't')};
  Secret pin{"473829"};
  [[nodiscard]] SealContext context() const {
    return {.purpose = Purpose::access_token,
            .table = "generations",
            .row = grant.bytes(),
            .field = "access_sealed",
            .user = user,
            .grant = grant,
            .generation = 1};
  }
};

void find_token(benchmark::State& state) {
  Fixture f;
  HotCache cache({}, f.entropy, f.clock);
  cache.put(f.user, 1, f.pin, Secret(Bytes(32, 3)));
  cache.put_token(f.user, 1, f.pin, f.grant, 1, f.token);
  for (auto _ : state) benchmark::DoNotOptimize(cache.find_token(f.user, 1, f.pin, f.grant, 1));
}
BENCHMARK(find_token)->Threads(1)->Threads(2);

void match(benchmark::State& state) {
  Fixture f;
  HotCache cache({}, f.entropy, f.clock);
  cache.put(f.user, 1, f.pin, Secret(Bytes(32, 3)));
  for (auto _ : state) benchmark::DoNotOptimize(cache.match(f.user, 1, f.pin));
}
BENCHMARK(match);

void open_with(benchmark::State& state) {
  Fixture f;
  const auto pair = f.vault.make_key_pair();
  const auto sealed = f.vault.seal_to(pair.public_key, f.context(), f.token);
  for (auto _ : state) benchmark::DoNotOptimize(f.vault.open_with(pair.public_key, pair.private_key, f.context(), sealed));
}
BENCHMARK(open_with);

void seal_to(benchmark::State& state) {
  Fixture f;
  const auto pair = f.vault.make_key_pair();
  for (auto _ : state) benchmark::DoNotOptimize(f.vault.seal_to(pair.public_key, f.context(), f.token));
}
BENCHMARK(seal_to);

void seal_and_open(benchmark::State& state) {
  Fixture f;
  for (auto _ : state) benchmark::DoNotOptimize(f.vault.open(f.context(), f.vault.seal(f.context(), f.token)));
}
BENCHMARK(seal_and_open);

// The peer: the library's own sealed box (no context, no outer layer, no commitment).
void peer_sodium_seal_open(benchmark::State& state) {
  Fixture f;
  const auto pair = f.vault.make_key_pair();
  Bytes sealed(kTokenBytes + crypto_box_SEALBYTES), plain(kTokenBytes);
  crypto_box_seal(sealed.data(), f.token.reveal().data(), kTokenBytes, pair.public_key.data());
  for (auto _ : state) {
    benchmark::DoNotOptimize(crypto_box_seal_open(plain.data(), sealed.data(), sealed.size(), pair.public_key.data(),
                                                  pair.private_key.reveal().data()));
  }
}
BENCHMARK(peer_sodium_seal_open);

void unwrap_pin(benchmark::State& state) {
  Fixture f;
  const auto pair = f.vault.make_key_pair();
  const auto wrapped = f.vault.wrap_user_key(f.user, pair.public_key, pair.private_key, f.pin, {});
  for (auto _ : state) benchmark::DoNotOptimize(f.vault.unwrap_user_key(f.user, pair.public_key, f.pin, wrapped));
}
BENCHMARK(unwrap_pin)->Unit(benchmark::kMillisecond)->Iterations(5);

}  // namespace
}  // namespace latchkey::vault

BENCHMARK_MAIN();
