"""Members of projects and what they may do there: users, and teams and divisions, whose users may do what these may.

Source: API reference, projects, "Members".
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import msgspec

from araneus.api import access, wire
from araneus.api.call import NO_CONTENT, Answer, Call, Route
from araneus.api.divisions import own_division, visible_team
from araneus.api.services import Services
from araneus.model.access import Permission, Permissions, require
from araneus.model.errors import Fault, Refusal
from araneus.model.project import Crowd, CrowdMember, Member
from araneus.model.user import User
from araneus.store import crowds, members, projects, users
from araneus.store.database import Connection

LIST_FIELDS = ("href", "id", "username", "email", "type", "permissions")
_NAMES = tuple(field.name for field in fields(Permissions))


class MemberBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /projects/{owner}/{project}/members``: a user by name or by address, or the id of a team or
    division as ``username`` with its ``type``."""

    username: str | None = None
    email: str | None = None
    type: str | None = None
    permissions: dict[str, Any] | None = None


def show_member(call: Call, member: Member | CrowdMember, user: User | None = None) -> dict[str, Any]:
    """The member object. A team or division is called by its id; nobody reads mail for it."""
    name = member.id if isinstance(member, CrowdMember) else member.username
    return {
        "href": call.href("projects", member.project, "members", name),
        "id": name,
        "username": name,
        "email": user.email if user else "",
        "type": member.crowd.value if isinstance(member, CrowdMember) else "USER",
        "permissions": member.permissions.as_dict(),
    }


def changed_permissions(held: Permissions, changes: Mapping[str, Any]) -> Permissions:
    """The permissions after the changes. Reading comes with membership; names that are none are ignored."""
    for name in _NAMES:
        if name in changes and not isinstance(changes[name], bool):
            raise Refusal(Fault.BAD_REQUEST, f"Permission {name!r} must be true or false.")
    known = {name: changes[name] for name in _NAMES if name in changes}
    return replace(held, **{**known, "read": True})


def list_members(call: Call, services: Services) -> Answer:
    """``GET .../members``: users, then teams and divisions."""
    at = wire.window(call)
    with services.database.read() as conn:
        project = _project(conn, call)
        found = members.page(conn, project, offset=at.offset, limit=at.limit)
        people = users.get_many(conn, [member.username for member in found.items])
        left = at.limit - len(found.items)
        many = crowds.page(conn, project, offset=max(0, at.offset - found.total), limit=left)
    items = [show_member(call, member, people.get(member.username)) for member in found.items]
    items += [show_member(call, member) for member in many.items]
    return wire.page(call, items, total=found.total + many.total, at=at, default=LIST_FIELDS)


def get_member(call: Call, services: Services) -> Answer:
    """``GET .../members/{username}``."""
    with services.database.read() as conn:
        member = _member(conn, _project(conn, call), call.path["username"])
        user = users.get(conn, member.username) if isinstance(member, Member) else None
    return wire.one(call, show_member(call, member, user))


def add_member(call: Call, services: Services) -> Answer:
    """``POST .../members``: for administrators of the project."""
    body = call.parse(MemberBody)
    with services.database.write() as conn:
        project = _project(conn, call, Permission.ADMIN, "add members")
        if (body.type or "USER").upper() != "USER":
            crowd = _crowd(conn, call, body, project)
            crowds.insert(conn, crowd)
            return wire.created(call, show_member(call, crowd))
        projects.lock(conn, project)
        user = _invited(conn, body)
        member = Member(project=project, username=user.username, permissions=_given(body))
        _check_new(conn, project, user.username)
        members.insert(conn, member)
    return wire.created(call, show_member(call, member, user))


def _given(body: MemberBody) -> Permissions:
    if not body.permissions:
        raise Refusal(Fault.PERMISSIONS_EMPTY, "Give the permissions of the new member.")
    return changed_permissions(Permissions(), body.permissions)


def _check_new(conn: Connection, project: str, name: str) -> None:
    """Members are named in paths, so no two may have one name: neither a user twice, nor a user and a division."""
    if members.get(conn, project, name) is not None or crowds.get(conn, project, name) is not None:
        raise Refusal(Fault.PROJECT_EXISTS, f"{name!r} is a member of this project already.")


def _crowd(conn: Connection, call: Call, body: MemberBody, project: str) -> CrowdMember:
    """The team or division that is to become a member: one that the caller can see."""
    kind, name = (body.type or "").upper(), body.username or ""
    if kind not in Crowd.__members__:
        raise Refusal(Fault.BAD_REQUEST, f"'type' of a member is USER, TEAM or DIVISION, not {kind[:80]!r}.")
    if not name:
        raise Refusal(Fault.MEMBER_EMPTY, "Give the id of the team or division as username.")
    crowd = Crowd(kind)
    known = visible_team(conn, call, name).id if crowd is Crowd.TEAM else own_division(conn, call, name).id
    _check_new(conn, project, known)
    return CrowdMember(project=project, crowd=crowd, id=known, permissions=_given(body))


def _invited(conn: Connection, body: MemberBody) -> User:
    if body.username:
        user = users.get(conn, body.username)
    elif body.email:
        user = users.by_email(conn, body.email)
    else:
        raise Refusal(Fault.MEMBER_EMPTY, "Give the username or the email address of the new member.")
    if user is None or user.disabled:
        raise Refusal(Fault.USER_NOT_FOUND, f"User {(body.username or body.email or '')[:80]!r} does not exist.")
    return user


def remove_member(call: Call, services: Services) -> Answer:
    """``DELETE .../members/{username}``: administrators anyone, and everybody himself; one administrator stays."""
    username = call.path["username"]
    with services.database.write() as conn:
        project = _project(conn, call)
        if username != call.caller.username:
            held = access.permissions_on(conn, call, project)
            require(held, Permission.ADMIN, Fault.PROJECT_FORBIDDEN, "remove members")
        member = _to_change(conn, project, username)
        if isinstance(member, CrowdMember):
            crowds.delete(conn, member)
        else:
            _check_admin_stays(conn, member)
            members.delete(conn, project, username)
    return NO_CONTENT


def get_permissions(call: Call, services: Services) -> Answer:
    """``GET .../permissions``."""
    with services.database.read() as conn:
        member = _member(conn, _project(conn, call), call.path["username"])
    return wire.one(call, member.permissions.as_dict())


def merge_permissions(call: Call, services: Services) -> Answer:
    """``PATCH .../permissions``: only what is given changes."""
    return _set_permissions(call, services, call.object())


def replace_permissions(call: Call, services: Services) -> Answer:
    """``PUT .../permissions``: all five must be given."""
    given = call.object()
    missing = [name for name in _NAMES if name not in given]
    if missing:
        raise Refusal(Fault.PERMISSIONS_INCOMPLETE, f"Give all permissions; missing: {', '.join(missing)}.")
    return _set_permissions(call, services, given)


def _set_permissions(call: Call, services: Services, changes: Mapping[str, Any]) -> Answer:
    with services.database.write() as conn:
        project = _project(conn, call, Permission.ADMIN, "change permissions")
        before = _to_change(conn, project, call.path["username"])
        permissions = changed_permissions(before.permissions, changes)
        if isinstance(before, CrowdMember):
            crowds.save(conn, replace(before, permissions=permissions))
        else:
            if not permissions.admin:
                _check_admin_stays(conn, before)
            members.save(conn, replace(before, permissions=permissions))
    return wire.one(call, permissions.as_dict())


def _to_change(conn: Connection, project: str, name: str) -> Member | CrowdMember:
    """The member, with what must be held while it changes: the row of a team or division first, then the project."""
    found = crowds.get(conn, project, name)
    if found is not None:
        crowds.lock(conn, [(found.crowd, found.id)])
    projects.lock(conn, project)
    return _member(conn, project, name)


def _check_admin_stays(conn: Connection, leaving: Member) -> None:
    others = (member for member in members.all_members(conn, leaving.project) if member.username != leaving.username)
    if leaving.permissions.admin and not any(member.permissions.admin for member in others):
        raise Refusal(Fault.BAD_REQUEST, "The last administrator of a project cannot leave: name another one first.")


def _project(conn: Connection, call: Call, needed: Permission = Permission.READ, to: str = "see it") -> str:
    project = access.project_id(f"{call.path['owner']}/{call.path['project']}")
    require(access.permissions_on(conn, call, project), needed, Fault.PROJECT_FORBIDDEN, to)
    return project


def _member(conn: Connection, project: str, name: str) -> Member | CrowdMember:
    member = members.get(conn, project, name) or crowds.get(conn, project, name)
    if member is None:
        raise Refusal(Fault.PROJECT_NOT_FOUND, f"{name[:80]!r} is no member of this project, or only with a team.")
    return member


_PATH = "/projects/{owner}/{project}/members"
ROUTES = (
    Route("GET", _PATH, list_members, "Members of a project"),
    Route("POST", _PATH, add_member, "Add a member", shape=MemberBody),
    Route("GET", f"{_PATH}/{{username}}", get_member, "One member"),
    Route("DELETE", f"{_PATH}/{{username}}", remove_member, "Remove a member"),
    Route("GET", f"{_PATH}/{{username}}/permissions", get_permissions, "Permissions of a member", importance=3),
    Route("PATCH", f"{_PATH}/{{username}}/permissions", merge_permissions, "Change permissions"),
    Route("PUT", f"{_PATH}/{{username}}/permissions", replace_permissions, "Replace permissions", importance=3),
)
