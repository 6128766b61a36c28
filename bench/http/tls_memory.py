"""Opens N idle TLS connections after one request each and prints what each costs the server (Pss_Anon)."""
import socket, ssl, sys

port, pid, count = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])


def pss_anon():
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:"))


context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
request = (b"POST /v1/token HTTP/1.1\r\nHost: latchkey.example\r\nAuthorization: Basic eDp5\r\n"
           b"Content-Length: 3\r\n\r\na=1")


def connect():
    connection = context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
    connection.sendall(request)
    assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    return connection


warm = [connect() for _ in range(20)]
before = pss_anon()
held = [connect() for _ in range(count)]
print(f"{(pss_anon() - before) / count:.1f} kB for each of {count} idle TLS connections; process {pss_anon()} kB")
