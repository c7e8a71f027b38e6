/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 of whole files, on a thread of its own that takes the CPU and the disk only while nobody else wants them
 * (SCHED_IDLE, I/O class idle): a server under load is not slowed down by a digest of its weights.
 */
#ifndef TOKPROF_FILE_DIGEST_H
#define TOKPROF_FILE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILE_DIGEST_SIZE 65

struct file_digests;

/* @return 0, -ENOMEM, -EAGAIN (no thread) */
int file_digests__open(struct file_digests **out);
/* Queue a file; keeps a duplicate of fd. @return its number from 0, or a negative errno */
int file_digests__add(struct file_digests *d, int fd);
/* Bytes that are still to be read. */
uint64_t file_digests__left(struct file_digests *d);
/* Nobody is disturbed any more: take an ordinary share of the machine. */
void file_digests__hurry(struct file_digests *d);
/* Wait until all are done, or for so long. @return whether all are done */
bool file_digests__wait(struct file_digests *d, int timeout_ms);
/* @return 0; -EINPROGRESS not done yet, with the bytes read in *n_done; -ESTALE it changed meanwhile; or why it was not read */
int file_digests__get(struct file_digests *d, int number, char out[FILE_DIGEST_SIZE], uint64_t *n_done);
/* What is not done is left out. NULL is legal. */
void file_digests__free(struct file_digests *d);

#endif
