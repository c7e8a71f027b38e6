/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fits of this user: a folder of recordings that hold nothing but fits, one file per key. $TOKPROF_FITS, else
 * $XDG_DATA_HOME/tokprof/fits, else ~/.local/share/tokprof/fits; with sudo, root's home.
 */
#ifndef TOKPROF_COST_FIT_STORE_H
#define TOKPROF_COST_FIT_STORE_H

#include "userspace/cost/fit_set.h"

/* @return 0; -ENOENT: no home is known; -ENAMETOOLONG */
int fit_store__folder(char *out, size_t size);

/*
 * Replace the fits of a key by these, whose own keys are set to it. The folder is made where it is missing; a reader
 * sees the old file or the new one.
 * @path of the file, for the user; NULL @error a sentence for the user after an error
 * @return 0; -EINVAL: a part of the key is not known, so that it could never be found; or of the recording's writer
 */
int fit_store__save(const struct fit_key *key, struct fit *fits, size_t n, char *path, size_t path_size, char *error,
		    size_t error_size);

/*
 * The fits of a key.
 * @words after -ENOENT: why there is none, with the nearest: "no fit for this model; ..."; after another error what went
 *	wrong
 * @return 0; -ENOENT; -EBADMSG: its file is damaged; -EACCES, -ENOMEM, -EIO
 */
int fit_store__find(const struct fit_key *key, struct fit_set *out, char *words, size_t size);

#endif
