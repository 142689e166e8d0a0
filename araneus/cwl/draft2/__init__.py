"""The dialect sbg:draft-2: its documents become the same normal form as those of CWL v1."""
