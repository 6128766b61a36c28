// Loaded into the unchanged program (LD_PRELOAD) by the tests of real crashes: every write, sync, rename and the like below
// one folder is a point where the process can be killed, or where the disk can refuse. What to do stands in a page of
// memory shared with the test (faults.mjs), so that it can be armed at any moment of the program's life.
//
// DURABLE_FAULTS_CONTROL: the page's file. DURABLE_FAULTS_UNDER: the folder. DURABLE_FAULTS_PORT, if set: what is sent to a
// database behind this port of the machine counts as written to the database, too. Only raw system calls are made in here, so
// that nothing of the C library's own state is touched from places where it must not be.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { op_write = 1, op_sync = 2, op_rename = 4, op_unlink = 8, op_resize = 16, op_read = 32 };
enum { file_journal = 1, file_log = 2, file_database = 4, file_other = 8 };
enum { kill_before = 1, kill_after = 2, kill_halfway = 3, refuse = 4 };

// Layout known to faults.mjs, which writes everything but `seen`, `struck` and `what`.
struct control {
  volatile uint32_t armed;      // 0: nothing happens
  volatile int32_t left;        // counted down by every matching operation; struck at zero
  uint32_t operations;          // which match
  uint32_t files;               // which match
  uint32_t action;
  uint32_t code;                // errno of `refuse`
  volatile int32_t times;       // how often it refuses; negative: for ever
  volatile uint32_t struck;
  volatile uint64_t seen;       // all operations below the folder, whether they match or not
  char what[208];               // the operation struck
};

static struct control *page;
static char under[2048];
static size_t under_length;
static uint16_t database_port;

__attribute__((constructor)) static void open_page(void) {
  const char *file = getenv("DURABLE_FAULTS_CONTROL");
  const char *folder = getenv("DURABLE_FAULTS_UNDER");
  if (file == NULL || folder == NULL || strlen(folder) >= sizeof under) return;
  strcpy(under, folder);
  under_length = strlen(under);
  const char *port = getenv("DURABLE_FAULTS_PORT");
  database_port = port == NULL ? 0 : htons((uint16_t)atoi(port));
  const int descriptor = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC, 0);
  if (descriptor < 0) return;
  void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  syscall(SYS_close, descriptor);
  if (memory != MAP_FAILED) page = memory;
}

static uint32_t kind_of(const char *path) {
  if (strncmp(path, under, under_length) != 0 || path[under_length] != '/') return 0;
  if (strstr(path, ".db-shm") != NULL) return 0;  // an index in memory, made anew after a crash
  if (strstr(path, "/replies-") != NULL) return file_journal;
  if (strstr(path, ".db-wal") != NULL) return file_log;
  const size_t length = strlen(path);
  return length > 3 && strcmp(path + length - 3, ".db") == 0 ? file_database : file_other;
}

static void die(void) {
  syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
  for (;;) pause();
}

// The action to take at this operation on a file of a kind; zero: none.
static uint32_t action_for(uint32_t operation, uint32_t kind, const char *name, const char *object) {
  __atomic_add_fetch(&page->seen, 1, __ATOMIC_SEQ_CST);
  if (!page->armed || !(page->operations & operation) || !(page->files & kind)) return 0;
  const int32_t left = __atomic_sub_fetch(&page->left, 1, __ATOMIC_SEQ_CST);
  if (page->action == refuse) {
    if (left > 0 || page->times == 0) return 0;
    if (page->times > 0) __atomic_sub_fetch(&page->times, 1, __ATOMIC_SEQ_CST);
  } else if (left != 0) {
    return 0;
  }
  if (__atomic_add_fetch(&page->struck, 1, __ATOMIC_SEQ_CST) == 1) snprintf(page->what, sizeof page->what, "%s %.180s", name, object);
  if (page->action == kill_before) die();
  return page->action;
}

static uint32_t action_at(uint32_t operation, const char *name, const char *path) {
  const uint32_t kind = kind_of(path);
  return kind == 0 ? 0 : action_for(operation, kind, name, path + under_length + 1);
}

static uint32_t action_on(uint32_t operation, const char *name, int descriptor) {
  if (page == NULL) return 0;
  char link[64], path[2048];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  if (length <= 0 || path[0] != '/') return 0;
  path[length] = '\0';
  return action_at(operation, name, path);
}

static uint32_t action_of(uint32_t operation, const char *name, const char *path) {
  return page == NULL ? 0 : action_at(operation, name, path);
}

// Round a call that gives -1 and errno.
#define AROUND(action, call)                        \
  do {                                              \
    const uint32_t what_ = (action);                \
    if (what_ == refuse) return errno = (int)page->code, -1; \
    if (what_ == kill_halfway) die();               \
    const long result_ = (call);                    \
    if (what_ == kill_after) die();                 \
    return result_;                                 \
  } while (0)

ssize_t write(int descriptor, const void *octets, size_t size) {
  const uint32_t action = action_on(op_write, "write", descriptor);
  if (action == kill_halfway) syscall(SYS_write, descriptor, octets, size / 2);
  AROUND(action, syscall(SYS_write, descriptor, octets, size));
}

ssize_t pwrite(int descriptor, const void *octets, size_t size, off_t offset) {
  const uint32_t action = action_on(op_write, "write", descriptor);
  if (action == kill_halfway) syscall(SYS_pwrite64, descriptor, octets, size / 2, offset);
  AROUND(action, syscall(SYS_pwrite64, descriptor, octets, size, offset));
}

ssize_t pwrite64(int descriptor, const void *octets, size_t size, off64_t offset) { return pwrite(descriptor, octets, size, offset); }

ssize_t send(int descriptor, const void *octets, size_t size, int flags) {
  uint32_t action = 0;
  struct sockaddr_in peer;
  socklen_t length = sizeof peer;
  if (page != NULL && database_port != 0 && syscall(SYS_getpeername, descriptor, &peer, &length) == 0 && peer.sin_family == AF_INET &&
      peer.sin_port == database_port) {
    action = action_for(op_write, file_database, "write", "to the database");
  }
  if (action == kill_halfway) syscall(SYS_sendto, descriptor, octets, size / 2, flags, NULL, 0);
  AROUND(action, syscall(SYS_sendto, descriptor, octets, size, flags, NULL, 0));
}

// A read changes nothing: it can be refused, but is no point where the process is killed, and is not counted.
static uint32_t reading(int descriptor) {
  return page != NULL && page->armed && (page->operations & op_read) ? action_on(op_read, "read", descriptor) : 0;
}

ssize_t read(int descriptor, void *octets, size_t size) { AROUND(reading(descriptor), syscall(SYS_read, descriptor, octets, size)); }
ssize_t pread(int descriptor, void *octets, size_t size, off_t offset) {
  AROUND(reading(descriptor), syscall(SYS_pread64, descriptor, octets, size, offset));
}
ssize_t pread64(int descriptor, void *octets, size_t size, off64_t offset) { return pread(descriptor, octets, size, offset); }

int fdatasync(int descriptor) { AROUND(action_on(op_sync, "sync", descriptor), syscall(SYS_fdatasync, descriptor)); }
int fsync(int descriptor) { AROUND(action_on(op_sync, "sync", descriptor), syscall(SYS_fsync, descriptor)); }

int rename(const char *from, const char *to) { AROUND(action_of(op_rename, "rename", to), syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0)); }
int unlink(const char *path) { AROUND(action_of(op_unlink, "unlink", path), syscall(SYS_unlinkat, AT_FDCWD, path, 0)); }

int ftruncate(int descriptor, off_t length) { AROUND(action_on(op_resize, "resize", descriptor), syscall(SYS_ftruncate, descriptor, length)); }
int ftruncate64(int descriptor, off64_t length) { return ftruncate(descriptor, length); }

// Gives the code instead of setting errno.
int posix_fallocate(int descriptor, off_t offset, off_t size) {
  const uint32_t action = action_on(op_resize, "resize", descriptor);
  if (action == refuse) return (int)page->code;
  if (action == kill_halfway) die();
  const long result = syscall(SYS_fallocate, descriptor, 0, offset, size);
  if (action == kill_after) die();
  return result == 0 ? 0 : errno;
}
int posix_fallocate64(int descriptor, off64_t offset, off64_t size) { return posix_fallocate(descriptor, offset, size); }
