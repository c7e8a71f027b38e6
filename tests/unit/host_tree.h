/* SPDX-License-Identifier: Apache-2.0 */
/* A host made of files: a folder that stands for the root of /proc, /sys and /dev. */
#ifndef TOKPROF_HOST_TREE_H
#define TOKPROF_HOST_TREE_H

extern char host_root[64];

/* Set-up and tear-down of a cmocka test: an empty host_root, and none. */
int host_tree__make(void **state);
int host_tree__remove(void **state);

/* Write a file below the folder, with the folders that it needs. @path begins with a slash */
void host_tree__put(const char *root, const char *path, const char *text);

#endif
