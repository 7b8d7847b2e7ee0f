// The echo on Node's `tls`: prints where it listens.
import tls from "node:tls";

const { NETLOOP_CERTIFICATE: cert, NETLOOP_KEY: key } = process.env;
const server = tls.createServer({ cert, key, noDelay: true }, (socket) => {
  socket.on("error", () => {});
  socket.on("data", (data) => {
    if (!socket.write(data)) socket.pause();
  });
  socket.on("drain", () => socket.resume());
});
server.on("tlsClientError", () => {});
server.listen(0, "127.0.0.1", () => console.log(`listening 127.0.0.1:${server.address().port}`));
