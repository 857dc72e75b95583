import ast,sys,collections
from pathlib import Path
root=Path(sys.argv[1]); tot=one=0; rows=[]; classes=collections.defaultdict(list)
for p in sorted([*root.glob('fabfile/**/*.py')]):
    t=ast.parse(p.read_text())
    for n in ast.walk(t):
        if isinstance(n,ast.ClassDef): classes[n.name].append(str(p.relative_to(root)))
        if isinstance(n,(ast.FunctionDef,ast.AsyncFunctionDef)) and not n.name.startswith('__'):
            tot+=1
            if '_' not in n.name.strip('_'):
                one+=1; rows.append((str(p.relative_to(root)),n.lineno,n.name))
print(tot,one,100*one//tot)
if len(sys.argv)>2:
    for r in rows: print(*r)
print({k:v for k,v in classes.items() if len(v)>1})
