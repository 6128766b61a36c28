#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cstring>
#include <fstream>

#include "net/http_server.h"
#include "net/net_testing.h"

namespace latchkey::net {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kRequest = "GET /who HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

class WhoHandler final : public HttpHandler {
 public:
  Task<HttpResponse> handle(HttpRequest request) override {
    co_return HttpResponse::text(200, request.client.text() + " uid " +
                                          (request.peer_uid ? std::to_string(*request.peer_uid) : "none"));
  }
};

int connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return descriptor;
  ::close(descriptor);
  return -1;
}

class HttpUnixTest : public testing::Test {
 protected:
  Result<void> start(std::uint32_t uid, const std::string& path) {
    HttpListener listener;
    listener.unix_path = path;
    listener.unix_uid = uid;
    return server.start({listener});
  }
  void TearDown() override {
    loop.run(server.stop(std::chrono::steady_clock::now() + Seconds(5)));
    loop.stop();
  }

  TemporaryFolder folder;
  std::string path = folder.file("control.sock");
  LoopThread loop;
  WhoHandler handler;
  base::SystemWallClock clock;
  base::MemoryLog log;
  HttpServer server{loop.loop, handler, clock, log};
};

TEST_F(HttpUnixTest, ServesItsOwnUserOverASocketOfMode0600AndRemovesIt) {
  std::ofstream(path) << "left behind";
  ASSERT_TRUE(start(::geteuid(), path));
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  const RawSocket socket(connect_to(path));
  ASSERT_TRUE(socket.send(kRequest));
  const std::string answer = socket.receive_to_end();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK"));
  EXPECT_THAT(answer, HasSubstr("127.0.0.1 uid " + std::to_string(::geteuid())));
  loop.run(server.stop(std::chrono::steady_clock::now() + Seconds(5)));
  EXPECT_NE(::stat(path.c_str(), &status), 0);
}

TEST_F(HttpUnixTest, ClosesOnOtherUsersWhateverTheMode) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  ASSERT_TRUE(start(::geteuid() + 1, path));
  ::chmod(path.c_str(), 0666);
  ::chmod(std::filesystem::path(path).parent_path().c_str(), 0755);
  const pid_t child = ::fork();
  if (child == 0) {
    char octet = 0;
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(2);
    const int descriptor = connect_to(path);
    if (descriptor < 0) ::_exit(3);
    (void)!::send(descriptor, kRequest.data(), kRequest.size(), MSG_NOSIGNAL);
    ::_exit(::recv(descriptor, &octet, 1, 0) > 0 ? 4 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(HttpUnixTest, NamesAPathThatIsTooLong) {
  const auto started = start(::geteuid(), folder.file(std::string(120, 'x')));
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().text, HasSubstr("shorter data directory"));
}

}  // namespace
}  // namespace latchkey::net
