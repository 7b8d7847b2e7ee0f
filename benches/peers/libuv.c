/* A server for the comparison, on libuv, as an expert writes it: one read buffer for all connections, and uv_try_write
 * from the read callback. What the kernel did not take is a queued write, and nothing is read until that is gone.
 *
 *   libuv-peer PORT MODE [--idle-timeout SECONDS]
 *
 * Built by the comparison together with libuv's own C source.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <uv.h>

enum mode { MODE_ECHO, MODE_DISCARD, MODE_FLOOD };

typedef struct {
  uv_tcp_t stream;
  uv_timer_t timer;
  uint64_t received;
  int queued;
  int open_handles;
} connection;

typedef struct {
  uv_write_t request;
  connection *owner;
  char bytes[];
} queued_write;

static uv_loop_t *loop;
static enum mode mode;
static uint64_t idle_timeout_ms;
/* At a page boundary: some processors copy at half the speed to a place a little behind one. */
static char read_buffer[128 * 1024] __attribute__((aligned(4096)));
static char flood_block[65536];

static void after_close(uv_handle_t *handle) {
  connection *c = handle->data;
  if (--c->open_handles == 0) free(c);
}

static void finish(connection *c) {
  if (uv_is_closing((uv_handle_t *)&c->stream)) return;
  uv_close((uv_handle_t *)&c->stream, after_close);
  if (idle_timeout_ms > 0) uv_close((uv_handle_t *)&c->timer, after_close);
}

static void on_idle(uv_timer_t *timer) { finish(timer->data); }

static void touch(connection *c) {
  if (idle_timeout_ms > 0) uv_timer_again(&c->timer);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)handle;
  (void)suggested;
  *buffer = uv_buf_init(read_buffer, sizeof read_buffer);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer);

static void after_write(uv_write_t *request, int status) {
  queued_write *write = (queued_write *)request;
  connection *c = write->owner;
  free(write);
  c->queued--;
  if (status < 0) {
    finish(c);
  } else if (c->queued == 0 && !uv_is_closing((uv_handle_t *)&c->stream)) {
    touch(c);
    if (mode == MODE_ECHO) uv_read_start((uv_stream_t *)&c->stream, on_allocate, on_read);
    if (mode == MODE_DISCARD) finish(c);
  }
}

/* Writes with one call at once; copies and queues the rest. */
static void send_bytes(connection *c, const char *bytes, size_t length) {
  size_t taken = 0;
  if (c->queued == 0) {
    uv_buf_t whole = uv_buf_init((char *)bytes, (unsigned)length);
    int result = uv_try_write((uv_stream_t *)&c->stream, &whole, 1);
    if (result < 0 && result != UV_EAGAIN) {
      finish(c);
      return;
    }
    if (result > 0) taken = (size_t)result;
  }
  if (taken == length) return;
  queued_write *write = malloc(sizeof *write + length - taken);
  write->owner = c;
  memcpy(write->bytes, bytes + taken, length - taken);
  uv_buf_t rest = uv_buf_init(write->bytes, (unsigned)(length - taken));
  c->queued++;
  if (mode == MODE_ECHO) uv_read_stop((uv_stream_t *)&c->stream);
  uv_write(&write->request, (uv_stream_t *)&c->stream, &rest, 1, after_write);
}

static void after_flood(uv_write_t *request, int status) {
  connection *c = request->data;
  free(request);
  if (status < 0) {
    finish(c);
    return;
  }
  uv_write_t *next = malloc(sizeof *next);
  uv_buf_t block = uv_buf_init(flood_block, sizeof flood_block);
  next->data = c;
  if (uv_write(next, (uv_stream_t *)&c->stream, &block, 1, after_flood) != 0) {
    free(next);
    finish(c);
  }
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer) {
  connection *c = stream->data;
  if (length == UV_EOF && mode == MODE_DISCARD) {
    char count[8];
    for (int i = 0; i < 8; i++) count[i] = (char)(c->received >> (56 - 8 * i));
    send_bytes(c, count, sizeof count);
    if (c->queued == 0) finish(c);
    return;
  }
  if (length < 0) {
    finish(c);
    return;
  }
  if (length == 0) return;
  touch(c);
  if (mode == MODE_ECHO) {
    send_bytes(c, buffer->base, (size_t)length);
  } else if (mode == MODE_DISCARD) {
    c->received += (uint64_t)length;
  }
}

static void on_connection(uv_stream_t *server, int status) {
  if (status < 0) return;
  connection *c = calloc(1, sizeof *c);
  uv_tcp_init(loop, &c->stream);
  c->stream.data = c;
  c->open_handles = 1;
  if (idle_timeout_ms > 0) {
    uv_timer_init(loop, &c->timer);
    c->timer.data = c;
    c->open_handles = 2;
    uv_timer_start(&c->timer, on_idle, idle_timeout_ms, idle_timeout_ms);
  }
  if (uv_accept(server, (uv_stream_t *)&c->stream) != 0) {
    finish(c);
    return;
  }
  uv_tcp_nodelay(&c->stream, 1);
  uv_read_start((uv_stream_t *)&c->stream, on_allocate, on_read);
  if (mode == MODE_FLOOD) {
    uv_write_t *first = malloc(sizeof *first);
    first->data = c;
    uv_buf_t block = uv_buf_init(flood_block, sizeof flood_block);
    if (uv_write(first, (uv_stream_t *)&c->stream, &block, 1, after_flood) != 0) {
      free(first);
      finish(c);
    }
  }
}

int main(int count, char **words) {
  static const char *const names[] = {"echo", "discard", "flood"};
  if (count < 3) return 2;
  while (mode <= MODE_FLOOD && strcmp(words[2], names[mode]) != 0) mode++;
  if (mode > MODE_FLOOD) return 2;
  if (count > 4 && strcmp(words[3], "--idle-timeout") == 0) {
    idle_timeout_ms = strtoull(words[4], NULL, 10) * 1000;
  }
  for (size_t i = 0; i < sizeof flood_block; i++) flood_block[i] = (char)((i ^ (i >> 8)) & 0xff);
  signal(SIGPIPE, SIG_IGN);
  /* A server must not outlive a comparison that was killed. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  loop = uv_default_loop();
  uv_tcp_t server;
  struct sockaddr_in address;
  int length = sizeof address;
  uv_tcp_init(loop, &server);
  uv_ip4_addr("127.0.0.1", atoi(words[1]), &address);
  if (uv_tcp_bind(&server, (const struct sockaddr *)&address, 0) != 0) return 1;
  if (uv_listen((uv_stream_t *)&server, 511, on_connection) != 0) return 1;
  uv_tcp_getsockname(&server, (struct sockaddr *)&address, &length);
  printf("listening 127.0.0.1:%d\n", (int)ntohs(address.sin_port));
  fflush(stdout);
  return uv_run(loop, UV_RUN_DEFAULT);
}
