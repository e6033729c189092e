// SPDX-License-Identifier: ISC
// cxx_client - the source front end in C++: calls, a pointer and a member.
#include <securesockets.h>

#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/types.h>
#include <unistd.h>

namespace {

struct Calls {
	int (*connect)(int, const sockaddr *, socklen_t);
};

std::string
environment(const char *name)
{
	const char *value = std::getenv(name);

	return value != nullptr ? value : "";
}

int
make_socket(int family)
{
	auto make = &::socket;

	return make(family, SOCK_STREAM, IPPROTO_TLS);
}

}

int
main()
{
	const std::string address = environment("ADDRESS"), ca = environment("CA");
	const std::string name = environment("NAME");
	const auto port = htons(static_cast<in_port_t>(std::atoi(
	    environment("PORT").c_str())));
	const Calls calls = { ::connect };
	sockaddr_in v4 = {};
	sockaddr_in6 v6 = {};
	const sockaddr *to = reinterpret_cast<const sockaddr *>(&v4);
	socklen_t len = sizeof(v4);
	char text[100];
	ssize_t n;

	v4.sin_family = AF_INET;
	v6.sin6_family = AF_INET6;
	v4.sin_port = v6.sin6_port = port;
	if (inet_pton(AF_INET, address.c_str(), &v4.sin_addr) != 1) {
		if (inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) != 1)
			return 64;
		to = reinterpret_cast<const sockaddr *>(&v6);
		len = sizeof(v6);
	}
	const int fd = make_socket(to->sa_family);
	if (fd < 0 || setsockopt(fd, IPPROTO_TLS, TLS_TRUSTED_PEER_CERTIFICATES,
	    ca.data(), static_cast<socklen_t>(ca.size())) < 0 ||
	    setsockopt(fd, IPPROTO_TLS, TLS_REMOTE_HOSTNAME, name.data(),
	    static_cast<socklen_t>(name.size())) < 0 ||
	    calls.connect(fd, to, len) < 0 || write(fd, "hello", 5) != 5) {
		std::perror("cxx_client");
		return 1;
	}
	while ((n = read(fd, text, sizeof(text))) > 0)
		(void)std::fwrite(text, 1, static_cast<size_t>(n), stdout);
	return n < 0;
}
