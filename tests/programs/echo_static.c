/* SPDX-License-Identifier: ISC */
/* echo_static - cat, linked so that no library can be loaded into it. */
#include <unistd.h>

int
main(void)
{
	char text[65536];
	ssize_t n, done, w;

	while ((n = read(STDIN_FILENO, text, sizeof(text))) > 0)
		for (done = 0; done < n; done += w) {
			w = write(STDOUT_FILENO, text + done, (size_t)(n - done));
			if (w < 0)
				return 1;
		}
	return n < 0;
}
