@echo off
rem Sets Barkeep up where that is still to be done, and starts it. Everything but finding a Python is in bootstrap.py.
setlocal
set "CHECK=import sys; sys.exit(sys.version_info < (3, 11))"
py -3 -c "%CHECK%" >nul 2>nul
if not errorlevel 1 goto launcher
python -c "%CHECK%" >nul 2>nul
if not errorlevel 1 goto path
echo Barkeep needs Python 3.11 or newer, and found none. Get one from python.org. 1>&2
exit /b 1
:launcher
py -3 "%~dp0bootstrap.py" start %*
exit /b
:path
python "%~dp0bootstrap.py" start %*
exit /b
