"""Scripts are told by how they begin."""

import pytest

from gateway.inspection.scripts import script, shebang


@pytest.mark.parametrize(
    ("head", "content_type"),
    [
        (b"#!/bin/sh\n", "text/x-shellscript"),
        (b"#!  /bin/sh\n", "text/x-shellscript"),
        (b"#!\t/usr/bin/env python3\n", "text/x-script.python"),
        (b"#!/usr/bin/python3.11 -u\n", "text/x-script.python"),
        (b"#!/usr/bin/perl -w\n", "text/x-perl"),
        (b"#!/usr/bin/env ruby\n", "text/x-ruby"),
        (b"#!/usr/bin/tclsh\n", "text/x-tcl"),
        (b"#!/usr/bin/gawk -f\n", "text/x-gawk"),
        (b"#!/opt/own\n", "text/x-shellscript"),
        # The kernel would not run these, a shell does.
        (b"\n#!/bin/sh\n", "text/x-shellscript"),
        (b"\xef\xbb\xbf#!/bin/sh\n", "text/x-shellscript"),
        (b"#![no_std]\n", None),
        (b"# !/bin/sh\n", None),
        (b"text\n#!/bin/sh\n", None),
    ],
)
def test_shebang(head: bytes, content_type: str | None) -> None:
    assert shebang(head) == content_type


@pytest.mark.parametrize(
    ("text", "content_type"),
    [
        (b"<?php echo 1;", "text/x-php"),
        (b"<?PHP echo 1;", "text/x-php"),
        (b"<?= 1 ?>", "text/x-php"),
        (b"@echo off\r\n", "text/x-msdos-batch"),
        (b"ECHO OFF\r\n", "text/x-msdos-batch"),
        (b":: a\r\nREM b\r\n@setlocal\r\n", "text/x-msdos-batch"),
        (b"REGEDIT4\r\n", "text/x-ms-regedit"),
        (b"Windows Registry Editor Version 5.00\r\n", "text/x-ms-regedit"),
        (b"[InternetShortcut]\r\n", "application/x-mswinurl"),
        (b"[Desktop Entry]\n", "application/x-desktop"),
        (b"[Shell]\r\nCommand=2\r\n", "text/x-ms-scf"),
        (b"<?xml version='1.0'?>", None),
        (b"@charset 'utf-8';", None),
        (b"rem is a unit of length\n", None),
        (b"Echo off the coast\n", None),
        (b"[Shell]\r\nfish = yes\r\n", None),
        (b"import os\n", None),
        (b"function f() {}\n", None),
    ],
)
def test_other_scripts(text: bytes, content_type: str | None) -> None:
    assert script(text) == content_type
