BEGIN TRANSACTION;
CREATE TABLE items (
    machine TEXT NOT NULL, section INTEGER NOT NULL, rating_key INTEGER NOT NULL,
    scene_id INTEGER NOT NULL,    -- 0: of a scene that is gone
    exact INTEGER NOT NULL,       -- held by the same path (1) or by the file's name alone (0)
    sent TEXT NOT NULL, result TEXT NOT NULL, intended TEXT NOT NULL,   -- JSON, see model.Memory
    fingerprint TEXT NOT NULL DEFAULT '',
    cover TEXT NOT NULL DEFAULT '',   -- Stash's address of the cover it has; see pictures.dated_cover
    synced_at REAL,               -- seconds since the epoch; NULL: never confirmed
    PRIMARY KEY (machine, section, rating_key)
);
INSERT INTO "items" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,1,1,1,'{"title": "Scene 1", "summary": "Details 1", "studio": "Acme", "rating": "8", "poster": "f570e235eb3902a400bea7ebf4c60d7caad1aa71"}','{"title": "Scene 1", "summary": "Details 1", "studio": "Acme", "rating": "8", "actors": ["Anna", "Bea"], "genres": ["Tag a", "Tag b"], "poster": "upload://posters/f570e235eb3902a400bea7ebf4c60d7caad1aa71"}','{}','4f7dcc28babdff9a92558772','',1.79570328005484986305e+09);
INSERT INTO "items" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',2,14,1,1,'{"title": "Scene 1", "summary": "Details 1", "studio": "Acme", "rating": "8", "poster": "f570e235eb3902a400bea7ebf4c60d7caad1aa71"}','{"title": "Scene 1", "summary": "Details 1", "studio": "Acme", "rating": "8", "actors": ["Anna", "Bea"], "genres": ["Tag a", "Tag b"], "poster": "upload://posters/f570e235eb3902a400bea7ebf4c60d7caad1aa71"}','{}','4f7dcc28babdff9a92558772','',1.79570328005484986305e+09);
INSERT INTO "items" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,2,2,1,'{"title": "Scene 2", "summary": "Details 2", "studio": "Acme"}','{"title": "Scene 2", "summary": "Details 2", "studio": "Acme", "actors": ["Anna", "Bea"], "genres": ["Tag b"]}','{}','ee4ad483340fd874c6c746e0','',1.79570328005484986305e+09);
INSERT INTO "items" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,3,3,1,'{"title": "Scene 3", "summary": "Details 3", "studio": "Acme"}','{"title": "Scene 3", "summary": "Details 3", "studio": "Acme", "actors": ["Anna", "Bea"], "genres": ["Tag a", "Tag b"]}','{}','366151f49e99a1e50b70be55','',1.79570328005484986305e+09);
INSERT INTO "items" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,4,4,1,'{"title": "Scene 4", "summary": "Details 4", "studio": "Acme", "rating": "8"}','{"title": "Scene 4", "summary": "Details 4", "studio": "Acme", "rating": "8", "actors": ["Anna", "Bea"], "genres": ["Tag a", "Tag b"]}','{"poster": ["b07bfa0178b6921cb392c90566e13605144defd7"]}','b72a0f8dd005c77a3959f036','',1.79570328005484986305e+09);
INSERT INTO "items" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,6,0,1,'{"title": "Scene 6", "summary": "Details 6", "studio": "Acme"}','{"title": "Scene 6", "summary": "Details 6", "studio": "Acme", "actors": ["Anna", "Bea"], "genres": ["Tag a", "Tag b"]}','{}','1bb8ac6d1e059866d6a56f6d','',1.79570328005484986305e+09);
INSERT INTO "items" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,8,8,1,'{}','{}','{"title": ["Scene 8"], "summary": ["Details 8"], "studio": ["Acme"], "actors": ["Anna", "Bea"], "genres": ["Tag a", "Tag b"]}','','',NULL);
INSERT INTO "items" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,9,9,1,'{}','{}','{"title": ["Scene 9"], "summary": ["Details 9"], "studio": ["Acme"], "actors": ["Anna", "Bea"], "genres": ["Tag a", "Tag b"]}','','',NULL);
INSERT INTO "items" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,10,10,1,'{}','{}','{"title": ["Scene 10"], "summary": ["Details 10"], "studio": ["Acme"], "actors": ["Anna", "Bea"], "genres": ["Tag a", "Tag b"]}','','',NULL);
INSERT INTO "items" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,11,11,1,'{}','{}','{"title": ["Scene 11"], "summary": ["Details 11"], "studio": ["Acme"], "actors": ["Anna", "Bea"], "genres": ["Tag a", "Tag b"]}','','',NULL);
INSERT INTO "items" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,12,12,1,'{}','{}','{"title": ["Scene 12"], "summary": ["Details 12"], "studio": ["Acme"], "actors": ["Anna", "Bea"], "genres": ["Tag a", "Tag b"]}','','',NULL);
INSERT INTO "items" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,13,13,1,'{}','{}','{"title": ["Scene 13"], "summary": ["Details 13"], "studio": ["Acme"], "actors": ["Anna", "Bea"], "genres": ["Tag a", "Tag b"]}','','',NULL);
INSERT INTO "items" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,5,5,1,'{"title": "Scene 5", "summary": "Details 5", "studio": "Acme"}','{"title": "Scene 5", "summary": "Details 5", "studio": "Acme", "actors": ["Anna", "Bea"], "genres": ["Tag a", "Tag b"]}','{"title": ["Scene 5 again"], "genres": ["Tag b", "Tag c"]}','678e9d4d77ecb892a6f820b8','',1.79570328005484986305e+09);
CREATE TABLE libraries (
    machine TEXT NOT NULL, section INTEGER NOT NULL,
    title TEXT NOT NULL,
    seen_at REAL NOT NULL,        -- when it was noted; the newest row's machine is the server in use
    PRIMARY KEY (machine, section)
) WITHOUT ROWID;
INSERT INTO "libraries" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,'Clips',1.79570327999898171427e+09);
INSERT INTO "libraries" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',2,'Other',1.79570327999898171427e+09);
CREATE TABLE plex_files (
    library INTEGER NOT NULL, rating_key INTEGER NOT NULL,
    path_key TEXT NOT NULL, name_key TEXT NOT NULL, path TEXT NOT NULL, size INTEGER,
    round INTEGER NOT NULL        -- the full listing that saw it last
);
INSERT INTO "plex_files" VALUES(1,1,'/media/1.mp4','1.mp4','/media/1.mp4',1001,3);
INSERT INTO "plex_files" VALUES(1,2,'/media/2.mp4','2.mp4','/media/2.mp4',1002,3);
INSERT INTO "plex_files" VALUES(1,3,'/media/3.mp4','3.mp4','/media/3.mp4',1003,3);
INSERT INTO "plex_files" VALUES(1,4,'/media/4.mp4','4.mp4','/media/4.mp4',1004,3);
INSERT INTO "plex_files" VALUES(1,5,'/media/5.mp4','5.mp4','/media/5.mp4',1005,3);
INSERT INTO "plex_files" VALUES(1,6,'/media/6.mp4','6.mp4','/media/6.mp4',1006,3);
INSERT INTO "plex_files" VALUES(1,8,'/media/8.mp4','8.mp4','/media/8.mp4',1008,3);
INSERT INTO "plex_files" VALUES(1,9,'/media/9.mp4','9.mp4','/media/9.mp4',1009,3);
INSERT INTO "plex_files" VALUES(1,10,'/media/10.mp4','10.mp4','/media/10.mp4',1010,3);
INSERT INTO "plex_files" VALUES(1,11,'/media/11.mp4','11.mp4','/media/11.mp4',1011,3);
INSERT INTO "plex_files" VALUES(1,12,'/media/12.mp4','12.mp4','/media/12.mp4',1012,3);
INSERT INTO "plex_files" VALUES(1,13,'/media/13.mp4','13.mp4','/media/13.mp4',1013,3);
INSERT INTO "plex_files" VALUES(2,14,'/media/1.mp4','1.mp4','/media/1.mp4',1001,3);
CREATE TABLE plex_libraries (
    id INTEGER PRIMARY KEY,
    machine TEXT NOT NULL, section INTEGER NOT NULL, uuid TEXT NOT NULL, fold INTEGER NOT NULL,
    listed_at REAL,               -- end of the last full listing, seconds since the epoch; NULL: never whole
    listed_seconds REAL NOT NULL DEFAULT 0,
    round INTEGER NOT NULL DEFAULT 0,
    UNIQUE (machine, section)
);
INSERT INTO "plex_libraries" VALUES(1,'8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,'f14f490f-652e-7a01-bc66-259a92abc64d',0,1.79570328062734508515e+09,2.7601450001384364441e-03,3);
INSERT INTO "plex_libraries" VALUES(2,'8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',2,'f540b675-0f16-f6db-ff05-9722c366d88b',0,1.79570328063037562365e+09,2.15792299968597944825e-03,3);
CREATE TABLE portraits (
    path TEXT PRIMARY KEY,        -- of a performer's picture in Stash
    time TEXT NOT NULL,           -- of the performer's save after which it was looked at; '': look again
    digest TEXT NOT NULL          -- of the picture; '': Stash had none
) WITHOUT ROWID;
CREATE TABLE scenes (
    scene_id INTEGER PRIMARY KEY,
    synced_at REAL NOT NULL,      -- the sync timestamp
    refs TEXT NOT NULL DEFAULT '' -- what it named then, as in model.Scene.refs: ",studio 3,tag 17,"
);
INSERT INTO "scenes" VALUES(1,1.79570328005484986305e+09,',studio 1,performer 1,performer 2,tag 1,tag 2,');
INSERT INTO "scenes" VALUES(2,1.79570328005484986305e+09,',studio 1,performer 1,performer 2,tag 1,tag 2,');
INSERT INTO "scenes" VALUES(3,1.79570328005484986305e+09,',studio 1,performer 1,performer 2,tag 1,tag 2,');
INSERT INTO "scenes" VALUES(4,1.79570328005484986305e+09,',studio 1,performer 1,performer 2,tag 1,tag 2,');
INSERT INTO "scenes" VALUES(5,1.79570328005484986305e+09,',studio 1,performer 1,performer 2,tag 1,tag 2,');
CREATE TABLE settled_names (
    machine TEXT NOT NULL, section INTEGER NOT NULL, rating_key INTEGER NOT NULL,
    scene_id INTEGER NOT NULL,
    ground TEXT NOT NULL,         -- what the decision was made on, see Settled
    PRIMARY KEY (machine, section, rating_key)
) WITHOUT ROWID;
CREATE TABLE statistics_by_hour (
    hour INTEGER NOT NULL,        -- hours since the epoch
    library TEXT NOT NULL,        -- '': scenes, whatever library they are in
    outcome TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (hour, library, outcome)
) WITHOUT ROWID;
INSERT INTO "statistics_by_hour" VALUES(498806,'','changed',6);
INSERT INTO "statistics_by_hour" VALUES(498806,'','failed',1);
INSERT INTO "statistics_by_hour" VALUES(498806,'','gone',1);
INSERT INTO "statistics_by_hour" VALUES(498806,'','later',2);
INSERT INTO "statistics_by_hour" VALUES(498806,'Clips','changed',6);
INSERT INTO "statistics_by_hour" VALUES(498806,'Clips','failed',1);
INSERT INTO "statistics_by_hour" VALUES(498806,'Other','changed',1);
CREATE TABLE steps (
    machine TEXT NOT NULL, section INTEGER NOT NULL, rating_key INTEGER NOT NULL,
    step TEXT NOT NULL,
    state TEXT NOT NULL,          -- see worker/steps.py
    started_at REAL, completed_at REAL,
    error TEXT NOT NULL, fingerprint TEXT NOT NULL, tries INTEGER NOT NULL,
    PRIMARY KEY (machine, section, rating_key, step)
) WITHOUT ROWID;
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,1,'match','COMPLETED',1.79570328005484986305e+09,1.79570328005484986305e+09,'','path',0);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,1,'metadata','COMPLETED',1.79570328002746105195e+09,1.79570328005484986305e+09,'','4f7dcc28babdff9a92558772',1);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,1,'poster','COMPLETED',1.79570328002746105195e+09,1.79570328002746105195e+09,'','f570e235eb3902a400bea7ebf4c60d7caad1aa71',1);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,1,'rating','COMPLETED',1.79570328002746105195e+09,1.79570328005484986305e+09,'','rating 8',1);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,2,'match','COMPLETED',1.79570328005484986305e+09,1.79570328005484986305e+09,'','path',0);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,2,'metadata','COMPLETED',1.79570328002746105195e+09,1.79570328005484986305e+09,'','ee4ad483340fd874c6c746e0',1);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,3,'match','COMPLETED',1.79570328005484986305e+09,1.79570328005484986305e+09,'','path',0);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,3,'metadata','COMPLETED',1.79570328002746105195e+09,1.79570328005484986305e+09,'','366151f49e99a1e50b70be55',1);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,4,'match','COMPLETED',1.79570328005484986305e+09,1.79570328005484986305e+09,'','path',0);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,4,'metadata','COMPLETED',1.79570328002746105195e+09,1.79570328005484986305e+09,'','b72a0f8dd005c77a3959f036',1);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,4,'poster','REFUSED',1.79570328002746105195e+09,NULL,'Plex refused the request (status 400)','b07bfa0178b6921cb392c90566e13605144defd7',1);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,4,'rating','COMPLETED',1.79570328002746105195e+09,1.79570328005484986305e+09,'','rating 8',1);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,5,'match','COMPLETED',1.79570328005484986305e+09,1.79570328005484986305e+09,'','path',0);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,5,'metadata','RUNNING',1.79570328106270980838e+09,NULL,'','8725fb2c560b84625d97aa12',2);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,8,'metadata','RUNNING',1.79570328069578313825e+09,NULL,'','5e7cd774eb6fd7d378228a80',2);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,9,'metadata','RUNNING',1.79570328069578313825e+09,NULL,'','6da29f62f89b7867c2ba6f84',1);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,10,'metadata','RUNNING',1.79570328069578313825e+09,NULL,'','9ee49ad868f280022d5ce096',1);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,11,'metadata','RUNNING',1.79570328069578313825e+09,NULL,'','2a70a198a85fd2aee75ee6a0',1);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,12,'metadata','RUNNING',1.79570328069578313825e+09,NULL,'','e0ccc0f5119ae1752a15fbb0',1);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',1,13,'metadata','RUNNING',1.79570328069578313825e+09,NULL,'','f55b670daf08ade5d7045f34',1);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',2,14,'match','COMPLETED',1.79570328005484986305e+09,1.79570328005484986305e+09,'','path',0);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',2,14,'metadata','COMPLETED',1.79570328002746105195e+09,1.79570328005484986305e+09,'','4f7dcc28babdff9a92558772',1);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',2,14,'poster','COMPLETED',1.79570328002746105195e+09,1.79570328002746105195e+09,'','f570e235eb3902a400bea7ebf4c60d7caad1aa71',1);
INSERT INTO "steps" VALUES('8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd',2,14,'rating','COMPLETED',1.79570328002746105195e+09,1.79570328005484986305e+09,'','rating 8',1);
CREATE INDEX items_of_scene ON items (scene_id, machine, section, rating_key);
CREATE INDEX plex_files_path ON plex_files (library, path_key);
CREATE INDEX plex_files_name ON plex_files (library, name_key);
CREATE INDEX plex_files_item ON plex_files (library, rating_key);
COMMIT;
