/* SPDX-License-Identifier: MIT
 *
 * The schema: what is in the file, its version, and how older files become newer ones.
 *
 *   A1  A file that is not ours is never written to, and no file appears beside it.
 *   A2  Migrations are numbered, applied in order in one transaction, and not edited once released.
 *       Views are no part of them: they belong to the library that opened the file last.
 *       A file is not migrated under an engine that runs (which is of the earlier version), and an
 *       engine does not start on a file that was migrated since it was opened.
 *   A3  A file is made in one transaction of SQLite's rollback journal, application_id and
 *       user_version included, before it is switched to WAL: so it is either empty or complete. */
#ifndef STORE_SQLITE_SCHEMA_H
#define STORE_SQLITE_SCHEMA_H

#include <perdure.h>

struct connection;

/* Messages that make an instance: as the index of them has it, so that it is used. */
#define SCHEMA_IS_START "kind IN(1,8,9)"
/* Messages that make an entity. */
#define SCHEMA_IS_OPERATION "kind=13"

enum {
    SCHEMA_APPLICATION_ID = 0x50657264, /* "Perd" */
    SCHEMA_VERSION = 3,
};

/* Looks at the file without touching it: PD_OK when it is missing, empty, or ours of a version we
 * read; PD_E_CORRUPT, PD_E_STATE, PD_E_UNAVAILABLE otherwise. */
pd_status schema_probe(const char *path, const char *name, const char *vfs, pd_error *err);

/* It is of an earlier version, and schema_prepare would migrate it. */
pd_status schema_is_old(struct connection *connection, bool *ret, pd_error *err);

/* Makes or migrates the file and puts it into WAL mode. partitions counts when it is made. */
pd_status schema_prepare(struct connection *connection, unsigned partitions,
                         unsigned *ret_partitions, pd_error *err);

/* Only reads: PD_E_STATE when the file is empty or would have to be migrated. */
pd_status schema_look(struct connection *connection, unsigned *ret_partitions, pd_error *err);

/* The views for people, in views.c, made again after every migration. In pieces, as C limits the
 * length of a literal; NULL ends them. */
extern const char *const schema_views[];
extern const char schema_views_gone[];

/* A table, index or view of ours or of a version to come, whatever the case of its letters. */
bool schema_is_ours(const char *name);

#endif
