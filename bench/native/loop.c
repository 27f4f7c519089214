/*
 * The physical limit beside which the journal is measured: one thread that makes the same bytes durable, one batch after the
 * other, on a preallocated file that was filled with zeros, by system calls alone.
 *
 *   loop FILE FILE_BYTES BATCH_BYTES MILLISECONDS WAY
 *
 * WAY: fdatasync (pwrite, fdatasync), dsync (pwrite, O_DSYNC), direct (pwrite, O_DIRECT|O_DSYNC),
 *      uring-linked (write linked with fdatasync), uring-dsync, uring-direct (the same descriptors, through a ring).
 * Prints one line: writes seconds cpuMicroseconds p50Microseconds p99Microseconds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

enum { samplesMost = 1 << 20, chunk = 1 << 20 };

static void stop(const char *what) {
  fprintf(stderr, "loop: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static double cpu(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static int compare(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

/* A ring of eight entries, used for one or two at a time. */
static int ringFd;
static unsigned *sqTail, *sqMask, *sqArray, *cqHead, *cqTail, *cqMask;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;

static void openRing(void) {
  struct io_uring_params p;
  memset(&p, 0, sizeof p);
  p.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  ringFd = syscall(SYS_io_uring_setup, 8, &p);
  if (ringFd < 0 && errno == EINVAL) {
    memset(&p, 0, sizeof p);
    ringFd = syscall(SYS_io_uring_setup, 8, &p);
  }
  if (ringFd < 0) stop("io_uring_setup");
  size_t bytes = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
  size_t sqBytes = p.sq_off.array + p.sq_entries * sizeof(unsigned);
  char *rings = mmap(NULL, bytes > sqBytes ? bytes : sqBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ringFd,
                     IORING_OFF_SQ_RING);
  sqes = mmap(NULL, p.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ringFd, IORING_OFF_SQES);
  if (rings == MAP_FAILED || (void *)sqes == MAP_FAILED) stop("mmap of the ring");
  sqTail = (unsigned *)(rings + p.sq_off.tail);
  sqMask = (unsigned *)(rings + p.sq_off.ring_mask);
  sqArray = (unsigned *)(rings + p.sq_off.array);
  cqHead = (unsigned *)(rings + p.cq_off.head);
  cqTail = (unsigned *)(rings + p.cq_off.tail);
  cqMask = (unsigned *)(rings + p.cq_off.ring_mask);
  cqes = (struct io_uring_cqe *)(rings + p.cq_off.cqes);
}

static struct io_uring_sqe *nextEntry(unsigned ahead) {
  unsigned index = (*sqTail + ahead) & *sqMask;
  memset(&sqes[index], 0, sizeof *sqes);
  sqArray[index] = index;
  return &sqes[index];
}

static void ringWrite(int fd, const void *bytes, unsigned length, uint64_t at, int isLinked) {
  struct io_uring_sqe *write = nextEntry(0);
  write->opcode = IORING_OP_WRITE;
  write->fd = fd;
  write->addr = (uintptr_t)bytes;
  write->len = length;
  write->off = at;
  unsigned count = 1;
  if (isLinked) {
    write->flags = IOSQE_IO_LINK;
    struct io_uring_sqe *sync = nextEntry(1);
    sync->opcode = IORING_OP_FSYNC;
    sync->fd = fd;
    sync->fsync_flags = IORING_FSYNC_DATASYNC;
    count = 2;
  }
  __atomic_store_n(sqTail, *sqTail + count, __ATOMIC_RELEASE);
  for (unsigned toSubmit = count, seen = 0; seen < count;) {
    int submitted = syscall(SYS_io_uring_enter, ringFd, toSubmit, count - seen, IORING_ENTER_GETEVENTS, NULL, 0);
    if (submitted < 0 && errno != EINTR) stop("io_uring_enter");
    if (submitted > 0) toSubmit -= submitted;
    for (unsigned head = *cqHead; head != __atomic_load_n(cqTail, __ATOMIC_ACQUIRE); head++) {
      int result = cqes[head & *cqMask].res;
      if (result < 0 || (result != 0 && (unsigned)result != length)) {
        errno = result < 0 ? -result : EIO;
        stop("a write through the ring");
      }
      seen++;
      __atomic_store_n(cqHead, head + 1, __ATOMIC_RELEASE);
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: loop FILE FILE_BYTES BATCH_BYTES MILLISECONDS WAY\n");
    return 64;
  }
  const char *path = argv[1], *way = argv[5];
  uint64_t fileBytes = strtoull(argv[2], NULL, 10);
  unsigned batch = strtoul(argv[3], NULL, 10);
  double limit = strtod(argv[4], NULL) * 1e3;
  int isRing = strncmp(way, "uring-", 6) == 0;
  const char *kind = isRing ? way + 6 : way;
  int flags = O_RDWR | O_CREAT;
  if (strcmp(kind, "dsync") == 0) flags |= O_DSYNC;
  else if (strcmp(kind, "direct") == 0) flags |= O_DSYNC | O_DIRECT;
  else if (strcmp(kind, "fdatasync") != 0 && strcmp(kind, "linked") != 0) {
    fprintf(stderr, "loop: unknown way %s\n", way);
    return 64;
  }
  void *bytes;
  if (batch == 0 || batch > fileBytes || posix_memalign(&bytes, 4096, batch > chunk ? batch : chunk) != 0) stop("arguments");
  memset(bytes, 0, batch > chunk ? batch : chunk);
  int plain = open(path, O_RDWR | O_CREAT, 0640);
  struct stat information;
  if (plain < 0 || fstat(plain, &information) < 0) stop(path);
  for (uint64_t at = information.st_size; at < fileBytes; at += chunk) {
    if (pwrite(plain, bytes, chunk, at) != chunk) stop("filling the file");
  }
  if (fsync(plain) < 0) stop("fsync");
  int fd = open(path, flags, 0640);
  if (fd < 0) stop("open");
  for (unsigned i = 0; i < batch; i++) ((unsigned char *)bytes)[i] = i * 37;
  if (isRing) openRing();

  static float samples[samplesMost];
  unsigned writes = 0;
  uint64_t at = 0;
  double spent = cpu(), began = now(), last = began;
  while (last - began < limit && writes < samplesMost) {
    if (at + batch > fileBytes) at = 0;
    if (isRing) ringWrite(fd, bytes, batch, at, strcmp(kind, "linked") == 0);
    else if (pwrite(fd, bytes, batch, at) != (ssize_t)batch) stop("pwrite");
    else if (flags == (O_RDWR | O_CREAT) && fdatasync(fd) < 0) stop("fdatasync");
    at += batch;
    double ended = now();
    samples[writes++] = ended - last;
    last = ended;
  }
  spent = cpu() - spent;
  qsort(samples, writes, sizeof *samples, compare);
  printf("%u %.6f %.0f %.1f %.1f\n", writes, (last - began) / 1e6, spent, samples[writes / 2], samples[writes * 99ULL / 100]);
  return 0;
}
