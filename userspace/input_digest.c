/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/input_digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES (1 << 18)

static int digest_all(EVP_MD_CTX *digest, int fd)
{
	unsigned char *chunk = malloc(CHUNK_BYTES);
	int err = chunk ? 0 : -ENOMEM;
	ssize_t n = 1;

	while (!err && n > 0) {
		n = read(fd, chunk, CHUNK_BYTES);
		if (n < 0)
			err = errno == EINTR ? 0 : -errno;
		else if (EVP_DigestUpdate(digest, chunk, (size_t)n) != 1)
			err = -ENOMEM;
		if (n < 0 && !err)
			n = 1;
	}
	free(chunk);
	return err;
}

int input__digest(char out[INPUT_DIGEST_SIZE], const char *path)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	/* Opening a pipe without a writer would wait for one. */
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int err = fd < 0 || fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	EVP_MD_CTX *digest = EVP_MD_CTX_new();

	if (!err && (!digest || EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1))
		err = -ENOMEM;
	if (!err)
		err = digest_all(digest, fd);
	if (!err && (EVP_DigestFinal_ex(digest, sum, &n) != 1 || 2 * n + 1 != INPUT_DIGEST_SIZE))
		err = -ENOMEM;
	for (unsigned int i = 0; i < n && !err; i++)
		snprintf(out + 2 * i, 3, "%02x", sum[i]);
	EVP_MD_CTX_free(digest);
	if (fd >= 0)
		close(fd);
	return err;
}
