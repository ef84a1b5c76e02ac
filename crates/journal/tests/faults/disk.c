/* Put in front of a process with LD_PRELOAD: records what it writes to the files of one directory, and lets writes
 * or syncs fail on demand. The test builds of the record what a disk has after a power cut (tests/it/disk.rs).
 *
 * DISK_UNDER    the directory, as the system names it
 * DISK_RECORD   the file for the record; appended to
 * DISK_FAULTS   a directory: while a file `full` is in it, writes fail with ENOSPC, while `tight` is, those that make a
 *               file longer, while `broken` is, syncs fail with EIO; the number in the file says how many still
 *               succeed, and the first write that fails is cut in half
 *
 * A record is: kind, result (0: done), two bytes of name length, four of data length, eight of offset; name; data.
 *   W write   T truncate (offset: new length)   S sync   D sync of the directory   U unlink   O output to stderr
 *
 * Not here: renames, mmap and direct I/O, which the store does not use on the files that this is about. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static void record(char kind, int result, const char *name, uint64_t offset, const void *data, uint32_t length) {
  static int out = -1;
  const char *path = getenv("DISK_RECORD");
  if (out < 0 && path) out = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  unsigned char head[16] = {kind, result != 0};
  uint16_t name_length = strlen(name);
  memcpy(head + 2, &name_length, 2);
  memcpy(head + 4, &length, 4);
  memcpy(head + 8, &offset, 8);
  struct iovec parts[3] = {{head, 16}, {(void *)name, name_length}, {(void *)data, length}};
  ssize_t all = 16 + name_length + (ssize_t)length;
  if (out >= 0 && syscall(SYS_writev, out, parts, 3) != all) abort();
}

/* The name of a file in the directory; "." for the directory itself; NULL for all others. */
static const char *inside(const char *path) {
  const char *under = getenv("DISK_UNDER");
  size_t length = under ? strlen(under) : 0;
  if (!length || strncmp(path, under, length) != 0) return NULL;
  if (path[length] == 0) return ".";
  return path[length] == '/' ? path + length + 1 : NULL;
}

static const char *name_of(int fd, char path[PATH_MAX]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length < 0) return NULL;
  path[length] = 0;
  return inside(path);
}

/* Whether a fault strikes: 0 no, 1 for the first time since it is there, 2 again. */
static int strikes(const char *which, int *count) {
  char path[PATH_MAX], text[16] = {0};
  snprintf(path, sizeof path, "%s/%s", getenv("DISK_FAULTS") ? getenv("DISK_FAULTS") : "", which);
  int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) {
    *count = 0;
    return 0;
  }
  syscall(SYS_read, fd, text, sizeof text - 1);
  syscall(SYS_close, fd);
  int beyond = ++*count - atoi(text);
  return beyond <= 0 ? 0 : beyond == 1 ? 1 : 2;
}

static ssize_t put(int fd, const char *name, const void *data, size_t length, off_t offset, int moves) {
  static int writes, growths;
  int strike = strikes("full", &writes);
  struct stat now;
  if (!strike && fstat(fd, &now) == 0 && (off_t)(offset + length) > now.st_size) strike = strikes("tight", &growths);
  if (strike == 1) length /= 2;
  if (strike == 2 || (strike == 1 && length == 0)) {
    errno = ENOSPC;
    return -1;
  }
  ssize_t done = moves ? syscall(SYS_write, fd, data, length) : syscall(SYS_pwrite64, fd, data, length, offset);
  if (done > 0) record('W', 0, name, offset, data, done);
  return done;
}

ssize_t write(int fd, const void *data, size_t length) {
  char path[PATH_MAX];
  if (fd == 2) record('O', 0, "", 0, data, length);
  const char *name = name_of(fd, path);
  if (!name) return syscall(SYS_write, fd, data, length);
  return put(fd, name, data, length, lseek(fd, 0, SEEK_CUR), 1);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
  char path[PATH_MAX];
  const char *name = name_of(fd, path);
  if (!name) return syscall(SYS_pwrite64, fd, data, length, offset);
  return put(fd, name, data, length, offset, 0);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
  return pwrite(fd, data, length, offset);
}

int ftruncate(int fd, off_t length) {
  char path[PATH_MAX];
  const char *name = name_of(fd, path);
  int result = syscall(SYS_ftruncate, fd, length);
  if (name && result == 0) record('T', 0, name, length, "", 0);
  return result;
}

int ftruncate64(int fd, off64_t length) {
  return ftruncate(fd, length);
}

static int sync_of(int fd, long call) {
  static int syncs;
  char path[PATH_MAX];
  const char *name = name_of(fd, path);
  if (!name) return syscall(call, fd);
  /* Nothing is lost by not waiting for the real disk: only the record counts. */
  int result = strikes("broken", &syncs) ? -1 : 0;
  record(strcmp(name, ".") == 0 ? 'D' : 'S', result, name, 0, "", 0);
  if (result) errno = EIO;
  return result;
}

int fsync(int fd) {
  return sync_of(fd, SYS_fsync);
}

int fdatasync(int fd) {
  return sync_of(fd, SYS_fdatasync);
}

int unlink(const char *path) {
  int result = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  const char *name = inside(path);
  if (name && result == 0) record('U', 0, name, 0, "", 0);
  return result;
}
