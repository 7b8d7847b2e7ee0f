/* An echo server of datagrams on libuv, as an expert writes it: one buffer, and uv_udp_try_send from the receive callback.
 *
 *   libuv-udp
 *
 * Prints `listening ADDRESS`.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <signal.h>
#include <uv.h>

static char buffer[65536];

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  (void)handle;
  (void)suggested;
  *buf = uv_buf_init(buffer, sizeof buffer);
}

static void on_receive(uv_udp_t *socket, ssize_t length, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags) {
  (void)flags;
  if (length < 0 || from == NULL)
    return;
  uv_buf_t answer = uv_buf_init(buf->base, (unsigned)length);
  uv_udp_try_send(socket, &answer, 1, from);
}

int main(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  uv_loop_t *loop = uv_default_loop();
  uv_udp_t socket;
  struct sockaddr_in address;
  int length = sizeof address;
  uv_ip4_addr("127.0.0.1", 0, &address);
  if (uv_udp_init(loop, &socket) || uv_udp_bind(&socket, (struct sockaddr *)&address, 0) ||
      uv_udp_getsockname(&socket, (struct sockaddr *)&address, &length) ||
      uv_udp_recv_start(&socket, on_alloc, on_receive))
    return 1;
  printf("listening 127.0.0.1:%u\n", ntohs(address.sin_port));
  fflush(stdout);
  return uv_run(loop, UV_RUN_DEFAULT);
}
