/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOKPROF_INPUT_DIGEST_H
#define TOKPROF_INPUT_DIGEST_H

#define INPUT_DIGEST_SIZE 65	/* SHA-256 in hexadecimal digits, and the end */

/*
 * The SHA-256 of a file's bytes, as sha256sum prints it.
 * @return 0; -EINVAL: no regular file, what was read of it once is gone; -ENOENT, -EACCES, -EIO, -ENOMEM
 */
int input__digest(char out[INPUT_DIGEST_SIZE], const char *path);

#endif
